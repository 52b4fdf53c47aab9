"""results/validation.md: what the data are, what was rejected and why, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from polybatch.core.dataset import TALLY, Dataset
from polybatch.core.errors import InputError
from polybatch.core.markdown import escape, excerpt, markdown
from polybatch.settings.data import DatasetSettings, ValidationSettings
from polybatch.validation.articles import common_articles
from polybatch.validation.duplicates import MERGED
from polybatch.validation.leakage import MATCH_WORDS, looked_for
from polybatch.validation.profile import Profile

_SHOWN = 5  # examples of each reason
_MERGED = pl.col("reason").str.starts_with(MERGED)


@dataclass(frozen=True)
class Outcome:
    """A dataset after validation. `rejected`: REJECTED; `broken`: expectations that do not hold.

    `suites`: what `validation.expectations.hold` returned. `tally`: TALLY of its source's files.
    `changes`: which groups are others than in the last run; only the report says so.
    """

    dataset: Dataset
    settings: DatasetSettings
    rejected: pl.DataFrame
    leaks: pl.DataFrame
    profile: Profile
    notes: Sequence[str]
    composed: int
    broken: Sequence[InputError]
    suites: Mapping[str, tuple[dict[str, Any], str]]
    tally: pl.DataFrame = field(default_factory=TALLY.to_frame)
    changes: Sequence[str] = ()

    @property
    def merged(self) -> pl.DataFrame:
        """The rows of `rejected` that were merged with an equal one: nothing of them is lost."""
        return self.rejected.filter(_MERGED)

    @property
    def lost(self) -> pl.DataFrame:
        """The other rows of `rejected`."""
        return self.rejected.filter(~_MERGED)


def rows_read(tally: pl.DataFrame) -> str:
    """Return the sum of a source's rows in words.

    Example:
        >>> from polybatch.core.dataset import TALLY
        >>> rows_read(pl.DataFrame([("a", 5, 3, 1, 1), ("b", 2, 2, 0, 0)], TALLY, orient="row"))
        '7 rows read = 5 kept + 1 merged + 1 rejected'
    """
    if tally.is_empty():
        return "rows read are not counted by this source"
    read, kept, merged, rejected = tally.select(pl.exclude("file").sum()).row(0)
    return f"{read:,} rows read = {kept:,} kept + {merged:,} merged + {rejected:,} rejected"


def validation_report(outcomes: Mapping[str, Outcome], rules: ValidationSettings) -> str:
    """Return the report as Markdown. `rules`: what the data were held against."""
    parts = [
        "# The data of this study",
        markdown(pl.DataFrame([_overview(outcome) for outcome in outcomes.values()])),
        "Every row that was rejected is in `data/valid/<dataset>/rejected.parquet` with its reason;"
        " what Great Expectations says is in `results/expectations/index.html`.",
    ]
    for outcome in outcomes.values():
        parts += _dataset(outcome)
    parts += ["## Training texts that stand in an evaluation dataset", _leakage(outcomes, rules)]
    parts += ["## Articles that training and evaluation have in common", _articles(outcomes)]
    return "\n\n".join(parts) + "\n"


def _copies(outcome: Outcome) -> str | None:
    """Return how many documents are copies of another one that the pool still has."""
    if outcome.settings.use != "evaluate":
        return None
    rows = [row for row in outcome.profile.tables["corpus"] if isinstance(row["rows"], int)]
    copies = sum(round(float(str(row["duplicates"])) * int(str(row["rows"]))) for row in rows)
    if not copies:
        return None
    return (
        f"documents that are copies of another one in their language: {copies:,}. They are "
        "candidates of their own, as the publisher defines the pool: a copy ties with the "
        "relevant one, and the tie rule decides"
    )


def _overview(outcome: Outcome) -> dict[str, str]:
    dataset = outcome.dataset
    numbers = {
        "items": dataset.queries["item_id"].n_unique(),
        "queries": dataset.queries.height,
        "documents": dataset.corpus.height,
        "judgements": dataset.qrels.height,
        "merged": outcome.merged.height,
        "rejected": outcome.lost.height,
    }
    return {"dataset": escape(dataset.name), "for": outcome.settings.use} | {
        name: f"{number:,}" for name, number in numbers.items()
    }


def _dataset(outcome: Outcome) -> list[str]:
    parts = [f"## {escape(outcome.dataset.name)}"]
    if outcome.broken:
        lines = [f"- {excerpt(str(error), 400)}" for error in outcome.broken]
        parts += ["**Expectations that do not hold:**", "\n".join(lines)]
    parts.append(markdown(pl.DataFrame(_languages(outcome.profile))))
    notes = [f"- {excerpt(note, 400)}" for note in (*outcome.notes, *outcome.changes)]
    if outcome.composed:
        notes.append(f"- texts brought to Unicode NFC: {outcome.composed:,}")
    if copies := _copies(outcome):
        notes.append(f"- {copies}")
    if notes:
        parts += ["Known of these data:", "\n".join(notes)]
    parts += ["### Rows read", f"{rows_read(outcome.tally).capitalize()}."]
    if outcome.tally.height:
        parts.append(markdown(_files(outcome.tally)))
    if outcome.lost.height:
        parts += ["### Rejected, and why", _rejected(outcome.lost)]
    if outcome.profile.examples.height:
        parts += [
            "### Worth a look (kept)",
            markdown(_shown(outcome.profile.examples, ["kind", "table", "lang", "id", "text"])),
        ]
    return parts


def _languages(profile: Profile) -> list[dict[str, str]]:
    """Return one row per language: counts and shares, shares in percent."""
    queries, documents = profile.tables["queries"], profile.tables["corpus"]
    pairs = {row["lang"]: row for row in profile.tables["pairs"]}
    rows = []
    for one, other in zip(queries, documents, strict=False):
        pair = pairs.get(one["lang"], {})
        rows.append(
            {
                "language": escape(str(one["lang"])),
                "queries": _count(one["rows"]),
                "documents": _count(other["rows"]),
                "items %": _percent(pair.get("coverage")),
                "rejected %": _percent(pair.get("rejected")),
                "same text %": _both(one, other, "duplicates"),
                "as in another language %": _percent(pair.get("untranslated")),
                "answer cut %": _percent(pair.get("cut_answers")),
                "script %": _both(one, other, "script"),
                "identified %": _both(one, other, "identified"),
                "characters": f"{_bounds(one)} / {_bounds(other)}",
            }
        )
    return rows


def _files(tally: pl.DataFrame) -> pl.DataFrame:
    return tally.select(
        pl.col("file").map_elements(escape, pl.String),
        pl.exclude("file").map_elements(lambda count: f"{count:,}", pl.String),
    )


def _rejected(rejected: pl.DataFrame) -> str:
    kinds = rejected.with_columns(
        pl.col("reason").str.replace(r"^(\w+ of evaluation dataset [^,]*),.*$", "$1").alias("kind")
    )
    counts = kinds.group_by("kind").len().sort(["len", "kind"], descending=[True, False])
    parts = []
    for kind, count in counts.rows():
        rows = kinds.filter(pl.col("kind") == kind)
        by_language = rows.group_by("lang").len().sort("lang", nulls_last=True).rows()
        summary = ", ".join(f"{lang or 'no language'} {number:,}" for lang, number in by_language)
        parts.append(f"**{excerpt(kind, 200)}**: {count:,} rows ({escape(summary)})")
        shown = rows.head(_SHOWN)
        parts.append(markdown(_shown(shown, ["file", "row", "lang", "item_id", "reason", "text"])))
    return "\n\n".join(parts)


def _leakage(outcomes: Mapping[str, Outcome], rules: ValidationSettings) -> str:
    found = pl.concat([outcome.leaks for outcome in outcomes.values()])
    if found.is_empty():
        return f"None. {looked_for(rules)}"
    done = {"remove": "Their items were removed from training.", "report": "They were left there."}
    by = ["evaluation", "table", "match"]
    counts = found.group_by(by).len().sort(by).rows()
    summary = ", ".join(
        f"{number:,} {what} in {name} ({MATCH_WORDS[match]})"
        for name, what, match, number in counts
    )
    columns = ["table", "id", "match", "similarity", "text", "evaluation", "evaluation_id"]
    shown = _shown(
        found.sort("similarity", "id", nulls_last=True).head(20), [*columns, "evaluation_text"]
    )
    words = [f"{escape(summary)}.", done.get(rules.leakage, ""), looked_for(rules)]
    return f"{' '.join(filter(None, words))}\n\n{markdown(shown)}"


def _articles(outcomes: Mapping[str, Outcome]) -> str:
    """Return which there are: they are left in training, and questions about them are counted."""
    datasets = {name: outcome.dataset for name, outcome in outcomes.items()}
    uses = {name: outcome.settings.use for name, outcome in outcomes.items()}
    found = [
        {
            "evaluation": escape(row.evaluation),
            "training": escape(row.training),
            "articles": f"{len(row.articles):,}",
            "items about them": f"{row.items:,} of {row.of:,}",
            "for example": excerpt("; ".join(row.articles[:_SHOWN])),
        }
        for row in common_articles(datasets, uses)
    ]
    return markdown(pl.DataFrame(found)) if found else "None that their sources name."


def _shown(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            name: [excerpt("" if value is None else str(value)) for value in rows[name]]
            for name in columns
        },
        schema=dict.fromkeys(columns, pl.String),
    )


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def _bounds(row: Mapping[str, object]) -> str:
    return "–" if row["shortest"] is None else f"{row['shortest']} to {row['longest']}"


def _both(one: Mapping[str, object], other: Mapping[str, object], name: str) -> str:
    return f"{_percent(one[name])} / {_percent(other[name])}"


def _percent(value: object) -> str:
    return f"{100 * value:.1f}" if isinstance(value, float) else "–"
