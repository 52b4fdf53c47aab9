"""`polybatch validate`: what is read of your own files, before there is a study of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from polybatch.sources.source import Parsed

_SHOWN = 20  # rejected rows


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("path", type=Path, help="a .csv, .tsv or .jsonl file, or a folder of them")
    parser.add_argument("--languages", nargs="+", help="the only ones to read (default: all)")
    parser.add_argument("--json", action="store_true", help="everything, every rejected row too")


def work(chosen: argparse.Namespace) -> str:
    r"""Read the files as the stage validate will, and return what was kept and what was not.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "faq.csv"
        >>> _ = path.write_text("item_id,lang,question,answer\n1,sw,Wapi?,Hapa.\n2,sw,Lini?,\n")
        >>> shown = work(argparse.Namespace(path=path, languages=None, json=False)).splitlines()
        >>> print(shown[2], shown[-1], sep="\n")
        | faq.csv | 2 | 1 | 0 | 1 |
        | faq.csv | 3 | sw | a question whose item has no answer | Lini? |
    """
    from polybatch.sources.own_folder import contents

    languages, splits = contents(chosen.path)
    found = read_checked(
        chosen.path, chosen.languages or languages, splits, every=bool(chosen.languages)
    )
    by_language = [
        (lang, *(table.filter(lang=lang).height for table in (found.queries, found.corpus)))
        for lang in chosen.languages or languages
    ]
    counts = pl.DataFrame(
        by_language, orient="row",
        schema={"language": pl.String, "questions": pl.Int64, "documents": pl.Int64},
    )  # fmt: skip
    if chosen.json:
        tables = {"files": found.tally, "languages": counts, "rejected": found.rejected}
        whole = {name: table.to_dicts() for name, table in tables.items()}
        return json.dumps({**whole, "notes": found.notes}, indent=2, ensure_ascii=False)
    return _text(counts, found.tally, found.rejected, found.notes)


def read_checked(
    path: Path, languages: Sequence[str], splits: Sequence[str], every: bool
) -> Parsed:
    r"""Read a file or folder, and reject what breaks a rule for rows of a new study's params.

    `every`: whether each language has to have a row; else one of them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "faq.csv"
        >>> _ = path.write_text("item_id,lang,question,answer\n1,sw,Wa\x00pi?,Hapa.\n")
        >>> read_checked(path, ["sw"], [], every=True).rejected["reason"].to_list()
        ['control character']
    """
    from polybatch.core.dataset import Dataset
    from polybatch.settings.load import checked
    from polybatch.settings.params_file import read_params
    from polybatch.sources.own_folder import read_own
    from polybatch.validation.row_rules import quarantine

    found = read_own(path, languages, splits, every)
    params = Path(str(files("polybatch").joinpath("study_template", "base.yaml")))
    rules = checked(read_params(params)).validation
    held = quarantine(Dataset("local", found.queries, found.corpus, found.qrels), rules)
    notes = found.notes
    if lost := held.rejected.height:
        what = "questions and documents of rows kept that the stage validate rejects"
        notes = (*notes, f"{what}: {lost:,} (below, of the files queries and corpus)")
    kept = held.dataset
    return replace(
        found, queries=kept.queries, corpus=kept.corpus, qrels=kept.qrels, notes=notes,
        rejected=pl.concat([found.rejected, held.rejected]),
    )  # fmt: skip


def _text(
    counts: pl.DataFrame, files: pl.DataFrame, rejected: pl.DataFrame, notes: tuple[str, ...]
) -> str:
    from polybatch.core.markdown import excerpt, markdown

    lines = [_table(files), "", _table(counts)]
    lines += ["", *(f"- {excerpt(note, 500)}" for note in notes)] if notes else []
    if rejected.height:
        shown = rejected.head(_SHOWN).select("file", "row", "lang", "reason", "text")
        cells = [
            [excerpt("" if one is None else str(one), 60) for one in row] for row in shown.rows()
        ]
        table = pl.DataFrame(cells, schema=dict.fromkeys(shown.columns, pl.String), orient="row")
        lines += [
            "",
            f"Rejected (the first {shown.height} of {rejected.height}):",
            "",
            markdown(table),
        ]
    return "\n".join(lines)


def _table(frame: pl.DataFrame) -> str:
    from polybatch.core.markdown import escape, markdown

    rows = [[escape(str(cell)) for cell in row] for row in frame.rows()]
    return markdown(
        pl.DataFrame(rows, schema=dict.fromkeys(frame.columns, pl.String), orient="row")
    )
