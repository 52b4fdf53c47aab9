"""From a source's rows to a dataset: which part of it, what was kept, what was rejected and why.

The stage reads and writes; what is decided about rows is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.settings.config import Config
from polybatch.settings.data import DatasetSettings, ValidationSettings
from polybatch.sources.source import Parsed, Source
from polybatch.validation.articles import common_articles
from polybatch.validation.cross_checks import (
    missing_languages,
    refuse_leaks,
    shared_texts,
    study_leaks,
)
from polybatch.validation.duplicates import MERGED, merge_equal, unmerged
from polybatch.validation.expectations import Result, broken, hold
from polybatch.validation.leakage import without
from polybatch.validation.markdown_report import Outcome
from polybatch.validation.profile import profile
from polybatch.validation.regrouped import GROUPS, places_of, regrouped
from polybatch.validation.row_rules import quarantine, real_losses, refuse_losses, rows_by_language
from polybatch.validation.split import joined_groups, split_by_group
from polybatch.validation.summary import DatasetSummary

_NAMED = 5  # groups named in a note, and their members
_FEW = 100  # items, from which on a share is known to 10 points


@dataclass(frozen=True)
class Prepared:
    """A dataset's part of its source, after the row rules. `parsed`: the source, without its rows.

    `rejected`: rows of the whole source that its reader or a rule rejected, and those of this part
    that were merged. `kept`: rows of each language that the whole source kept. `groups`:
    `group_id`s that were drawn as one, since they share items or documents. `errors`: too many
    losses. `links`: item_id and doc_id of what answers what, of domain text, too.
    """

    dataset: Dataset
    parsed: Parsed
    rejected: pl.DataFrame
    kept: Mapping[str, int]
    composed: int
    groups: Sequence[Sequence[str]]
    errors: Sequence[InputError]
    places: pl.DataFrame
    links: pl.DataFrame


def prepare(
    name: str, settings: DatasetSettings, parsed: Parsed, rules: ValidationSettings, own: bool
) -> Prepared:
    """Return the part of a source that a dataset takes, without the rows that break a rule.

    `own`: whether these are the user's own files, whose equal documents are merged and whose split
    follows the items; a benchmark's pool stays as its publisher defines it.
    """
    checked = quarantine(Dataset(name, parsed.queries, parsed.corpus, parsed.qrels), rules)
    dataset, lost = checked.dataset, pl.concat([parsed.rejected, checked.rejected])
    if settings.use == "text":
        lost = lost.filter(~pl.col("file").is_in(["queries", "qrels"]))
    read = int(parsed.tally["read"].sum()) if parsed.tally.height else None
    errors = refuse_losses(dataset, lost, rules, settings.languages, read)
    kept = dict(rows_by_language(dataset).rows())
    merged = merge_equal(dataset) if own and dataset.queries.height else unmerged(dataset)
    parsed = replace(parsed, answers=merged.moved(parsed.answers))
    groups = [*merged.groups, *joined_groups(merged.dataset)] if settings.part != "all" else []
    part = part_of(merged.dataset, settings, "item_id" if own else "doc_id")
    here = set(part.corpus["group_id"])
    return Prepared(
        part, parsed.without_tables(), pl.concat([lost, merged.of(part)]), kept, checked.composed,
        [group for group in groups if here.intersection(group)], errors,
        places_of(merged.dataset, part) if own and settings.part != "all" else GROUPS.to_frame(),
        _links(merged.dataset.qrels, part),
    )  # fmt: skip


def _links(qrels: pl.DataFrame, part: Dataset) -> pl.DataFrame:
    answers = qrels.filter(pl.col("relevance") > 0).select("item_id", "doc_id")
    return answers.join(part.corpus, on="doc_id", how="semi")


def part_of(dataset: Dataset, settings: DatasetSettings, by: str = "item_id") -> Dataset:
    """Return the part that `settings` asks for; of domain text the corpus. `by`: as in `split`.

    Example:
        >>> one = pl.DataFrame({"item_id": ["i"]})
        >>> settings = DatasetSettings("local", "text", ("sw",), ("all",), "all", 0.0)
        >>> part = part_of(Dataset("faq", one, one, one), settings)
        >>> part.queries.height, part.corpus.height, part.qrels.height
        (0, 1, 0)
    """
    if settings.part != "all":
        train, heldout = split_by_group(dataset, settings.heldout_share, settings.source, by)
        dataset = train if settings.part == "train" else heldout
    if settings.use == "text":
        return Dataset(dataset.name, dataset.queries.clear(), dataset.corpus, dataset.qrels.clear())
    return dataset


def check(
    config: Config, name: str, prepared: Mapping[str, Prepared], before: pl.DataFrame
) -> Outcome:
    """Take leaks out of training data, and hold what is left against the expectations.

    `prepared`: this dataset, and the evaluation datasets that it is held against. `before`: GROUPS
    of the last run; nothing where there was none.
    """
    settings, rules, mine = config.datasets[name], config.validation, prepared[name]
    check_dataset(mine.dataset)
    others = {each: row.dataset for each, row in prepared.items()}
    found = study_leaks(config, name, others, mine.links)
    dataset, gone = mine.dataset, mine.rejected.clear()
    if rules.leakage == "remove":
        dataset, gone = without(dataset, found, mine.links)
    losses = real_losses(mine.rejected)
    profiled = profile(dataset, losses, settings, rules, mine.parsed.answers, mine.kept)
    tables = profiled.tables
    if settings.use == "text":  # domain text has no queries
        tables = {"corpus": tables["corpus"]}
    held = hold(tables, settings, rules)
    errors = [
        *mine.errors,
        *missing_languages(mine.dataset, dataset, settings, found),
        *refuse_leaks(name, found, rules),
        *_broken(name, held),
    ]
    return Outcome(
        dataset, settings, pl.concat([mine.rejected, gone]), found, profiled,
        (*mine.parsed.notes, *_notes(mine, settings)), mine.composed, errors, held,
        mine.parsed.tally, regrouped(before.filter(dataset=name), mine.places),
    )  # fmt: skip


def _broken(name: str, held: Mapping[str, tuple[Result, str]]) -> Iterator[InputError]:
    for where, found, expected in broken(held):
        yield InputError(
            f"dataset {name}, {where}",
            found,
            expected,
            "See results/validation.md; correct the data, or the threshold in params.yaml,"
            " validation",
        )


def _notes(prepared: Prepared, settings: DatasetSettings) -> Iterator[str]:
    """Yield what a reader should know of few items, of merged documents, and of the split."""
    name, items = prepared.dataset.name, prepared.dataset.queries["item_id"].n_unique()
    if settings.use == "evaluate" and items < _FEW:
        yield f"{name} has few items: {few_items(items)}"
    reasons = prepared.rejected.filter(pl.col("reason").str.starts_with(MERGED))
    if merged := reasons.filter(file="corpus").height:
        yield (
            f"{name}: documents merged with one of equal text, relevant to the items of all: "
            f"{merged:,} (rejected.parquet names them)"
        )
    if prepared.groups and settings.part != "all":
        shown = "; ".join(
            " + ".join(group[:_NAMED])
            + (f" + {len(group) - _NAMED} more" if len(group) > _NAMED else "")
            for group in prepared.groups[:_NAMED]
        )
        yield (
            f"{name}: groups that share an item or a document, and were drawn as one: "
            f"{len(prepared.groups):,} ({shown}{', …' if len(prepared.groups) > _NAMED else ''})"
        )


def few_items(items: int) -> str:
    """Say what an evaluation on so few items cannot show.

    Example:
        >>> few_items(5).split("; ")[1]
        'no p-value of a difference can be below 0.062'
    """
    wide = 100 * 0.98 / max(items, 1) ** 0.5  # 1.96 * sqrt(0.5 * 0.5 / items)
    smallest = 2.0 ** (1 - items)  # of a two-sided randomisation test, where all items agree
    never = f"; no p-value of a difference can be below {smallest:.2g}" if smallest > 0.05 else ""
    return (
        f"one of {items} is {100 / max(items, 1):.0f} points of a score such as R@1, whose 95% "
        f"interval reaches up to {wide:.0f} points to either side{never}; smaller differences "
        f"between strategies may be chance. {_FEW} items or more show more"
    )


def is_own(source: Source) -> bool:
    """Return whether a source reads the user's own files, and not a benchmark's published pool.

    Example:
        >>> from polybatch.sources.cldr import Cldr
        >>> from polybatch.sources.local import Local
        >>> is_own(Local()), is_own(Cldr())
        (True, False)
    """
    settings = source.settings
    return source.own and (settings is None or not settings.revisions)


def summary(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return what results/validation.json says of all datasets."""
    uses = {name: outcome.settings.use for name, outcome in outcomes.items()}
    datasets = {
        name: vars(
            DatasetSummary(
                **summarise(outcome.dataset, outcome.settings, outcome),
                brought_to_nfc=outcome.composed,
                profile=outcome.profile.tables,
                leaks=outcome.leaks.height,
                leaks_by_match=_counts(outcome.leaks, "match"),
                holds=not outcome.broken,
            )
        )
        for name, outcome in outcomes.items()
    }
    tables = {name: each.dataset for name, each in outcomes.items()}
    common = {
        f"{row.evaluation} in {row.training}": {
            "articles": len(row.articles),
            "items": row.items,
            "of": row.of,
        }
        for row in common_articles(tables, uses)
    }
    shared = shared_texts(tables, uses)
    return {"datasets": datasets, "shared_texts": shared, "common_articles": common}


def summarise(
    dataset: Dataset, settings: DatasetSettings, origin: Parsed | Outcome
) -> dict[str, Any]:
    """Return counts by language, and from the origin what was rejected by reason, and notes.

    `rows`: what became of the rows of each file that was read (`polybatch.core.dataset.TALLY`).
    `merged`: documents, and judgements, that became one with others; they are not among the
    rejected rows.
    """
    merged = pl.col("reason").str.starts_with(MERGED)
    return {
        "source": settings.source,
        "use": settings.use,
        "part": settings.part,
        "items": dataset.queries["item_id"].n_unique(),
        "queries": _by_language(dataset.queries),
        "documents": _by_language(dataset.corpus),
        "judgements": dataset.qrels.height,
        "merged": origin.rejected.filter(merged).height,
        "rejected": _counts(origin.rejected.filter(~merged), "reason"),
        "rows": origin.tally.to_dicts(),
        "notes": list(origin.notes),
    }


def _by_language(frame: pl.DataFrame) -> dict[str, int]:
    return _counts(frame, "lang")


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(sorted(frame[column].value_counts().rows()))
