"""`polybatch runs`: TREC runs and qrels, one file per language pair."""

from __future__ import annotations

import argparse
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.core.languages import LanguagePair


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("strategy")
    parser.add_argument("--dataset", help="one evaluation dataset (default: all)")
    words = "query>document, such as 'sw>en' (default: all that are judged)"
    parser.add_argument("--pair", help=words)
    parser.add_argument("--depth", type=int, help="documents a query (default: all, as AP needs)")
    parser.add_argument("--out", type=Path, required=True, help="an existing or new folder")


def work(chosen: argparse.Namespace) -> str:
    """Do it, and return what to print.

    Raises:
        InputError: a depth below 1, or a strategy, dataset or judged pair that is not there.
    """
    from polybatch.reports.results_folder import Study
    from polybatch.retrieval.arm_folders import open_source
    from polybatch.retrieval.trec import judged_pairs, write_pair

    study = Study(chosen.folder)
    strategy = study.strategy(chosen.strategy)
    only = _pair(chosen.pair) if chosen.pair else None
    if chosen.depth is not None and chosen.depth < 1:
        raise InputError("--depth", str(chosen.depth), "1 or more", "Change the number")
    names = list(study.config.used_for("evaluate"))
    names = [study.dataset_name(chosen.dataset)] if chosen.dataset else names
    count = 0
    for name in names:
        dataset = study.dataset(name)
        pairs = [pair for pair in judged_pairs(dataset) if only in (None, pair)]
        if not pairs:
            continue
        source = open_source(study.index(strategy), dataset)
        for pair in pairs:
            depth = chosen.depth or dataset.corpus.height
            found = write_pair(dataset, source, pair, depth, chosen.out / name, strategy)
            count += len(found)
    if not count:
        raise InputError(
            "--pair",
            f"no relevant document for a query of {only or 'any pair'} in {', '.join(names)}",
            "a pair of languages that is judged",
            "Choose another pair or dataset",
        )
    return f"{count} files in {chosen.out}"


def _pair(text: str) -> LanguagePair:
    try:
        return LanguagePair.parse(text)
    except ValueError as error:
        raise InputError("--pair", f"'{text}'", "such as 'sw>en'", "Mend it") from error
