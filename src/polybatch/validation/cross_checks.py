"""What training and evaluation datasets of a study have in common, and what is left without it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from polybatch.core.dataset import Dataset, normalised
from polybatch.core.errors import InputError
from polybatch.settings.config import Config
from polybatch.settings.data import DatasetSettings, ValidationSettings
from polybatch.validation.containment import Contained
from polybatch.validation.leakage import LEAKS, leaks
from polybatch.validation.shared_items import has_own_groups, one_source, shared_items


def study_leaks(
    config: Config, name: str, datasets: Mapping[str, Dataset], links: pl.DataFrame
) -> pl.DataFrame:
    """Return LEAKS of a dataset that is trained on, or adapted on without seeing evaluation.

    `links`: (item_id, doc_id) of what answers what in it, of domain text, too.
    """
    use = config.datasets[name].use
    transductive = config.dapt is not None and config.dapt.transductive and use == "text"
    if use == "evaluate" or transductive:
        return LEAKS.to_frame()
    mine, rules = datasets[name], config.validation
    inside = Contained(rules.contained, rules.contained_characters)
    found = [LEAKS.to_frame()]
    for other in config.used_for("evaluate"):
        theirs = datasets[other]
        texts = leaks(mine, theirs, rules.near_duplicate, inside)
        found.append(texts)
        if one_source(config, name, other):
            shared = shared_items(mine, theirs, links, groups=has_own_groups(config, name))
            found.append(shared.join(texts, on=["table", "id"], how="anti", maintain_order="left"))
    return pl.concat(found)


def shared_texts(datasets: Mapping[str, Dataset], uses: Mapping[str, str]) -> dict[str, int]:
    """Count texts of each evaluation dataset that stand, normalised, in a training dataset.

    Of the datasets as they are written, so zero where leaks were removed: queries against queries,
    documents against documents. `polybatch.validation.leakage` looks closer.

    Example:
        >>> where, here = pl.DataFrame({"text": ["Where?"]}), pl.DataFrame({"text": ["Here."]})
        >>> test = Dataset("test", where, here, pl.DataFrame())
        >>> asked = pl.DataFrame({"text": ["where"]})
        >>> train = Dataset("train", asked, here.clear(), pl.DataFrame())
        >>> shared_texts({"test": test, "train": train}, {"test": "evaluate", "train": "train"})
        {'test in train, queries': 1, 'test in train, corpus': 0}
    """
    found = {}
    for name, dataset in datasets.items():
        for other, seen in datasets.items():
            if uses[name] == "evaluate" and uses[other] == "train":
                for what in ("queries", "corpus"):
                    here = getattr(dataset, what).select(normalised("text"))
                    there = getattr(seen, what).select(normalised("text")).unique()
                    found[f"{name} in {other}, {what}"] = here.join(there, on="text").height
    return found


def refuse_leaks(name: str, found: pl.DataFrame, settings: ValidationSettings) -> list[InputError]:
    """Return the error that leaking texts are, where params say that they are one.

    `found`: polybatch.validation.leakage.LEAKS.

    Example:
        >>> rules = ValidationSettings("fail", 1, 1, 30, 1, 64, 1, 99, 0, 0, 0, 0, 0, 0, 50)
        >>> row = {"id": "q", "match": "equal", "evaluation": "xquad", "evaluation_id": "q7"}
        >>> refuse_leaks("mlqa", pl.DataFrame([row]), rules)[0].found
        '1 training texts that stand in an evaluation dataset (first: q as q7 of xquad)'
    """
    if settings.leakage != "fail" or found.is_empty():
        return []
    first = found.row(0, named=True)
    by_id = found.filter(pl.col("match").is_in(["item", "group"])).height
    or_item = f", or whose item or group does ({by_id} of them)" if by_id else ""
    return [
        InputError(
            f"dataset {name}",
            f"{found.height} training texts that stand in an evaluation dataset{or_item} (first: "
            f"{first['id']} as {first['evaluation_id']} of {first['evaluation']})",
            "none (validation.leakage: fail)",
            "Remove them, or set leakage: remove",
        )
    ]


def missing_languages(
    part: Dataset, kept: Dataset, settings: DatasetSettings, found: pl.DataFrame
) -> list[InputError]:
    """Return an error for requested languages of which nothing is there, or left, and why.

    `part`: the dataset before its leaks (`found`, LEAKS) were removed; `kept`: after.

    Example:
        >>> settings = DatasetSettings("local", "train", ("sw", "yo"), ("all",), "all", 0.0)
        >>> texts = pl.DataFrame({"lang": ["sw"]})
        >>> part = Dataset("faq", texts, texts, pl.DataFrame())
        >>> print(missing_languages(part, part, settings, pl.DataFrame())[0])
        dataset faq: found no row in yo, expected ...
    """
    before, after = ({*each.queries["lang"], *each.corpus["lang"]} for each in (part, kept))
    absent = [lang for lang in settings.languages if lang not in before]
    if part.queries.height and kept.queries.is_empty():
        after = set()  # documents may be left, to which no question leads
    taken = [lang for lang in settings.languages if lang in before - after]
    where, wanted = f"dataset {part.name}", f"rows in each of {', '.join(settings.languages)}"
    errors = []
    if absent:
        cure = f"Remove the language from datasets.{part.name}.languages, or take more splits"
        share = ", or another heldout_share" if settings.part != "all" else ""
        errors.append(InputError(where, f"no row in {', '.join(absent)}", wanted, cure + share))
    if taken:
        what, key = ("corpus", "doc_id") if settings.use == "text" else ("queries", "item_id")
        had, left = (getattr(each, what)[key].n_unique() for each in (part, kept))
        word = {"corpus": "documents", "queries": "items"}[what]
        origin = ", ".join(sorted(found["evaluation"].unique()))
        lost = f"{had - left} of {had} {word} were removed as leaks of {origin}"
        cure = "Take data of which evaluation has no text, item or group (results/validation.md)"
        errors.append(
            InputError(where, f"nothing left in {', '.join(taken)}: {lost}", wanted, cure)
        )
    return errors
