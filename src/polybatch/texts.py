"""Domain text: which documents an adaptation may read, and which of them meet at each step.

Both are decided before training, from the data, the settings and the seed alone.

Letters: N documents or packed sequences, S steps, B texts a step.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from polybatch.errors import InputError
from polybatch.pairs import Int64, normalised
from polybatch.settings import AdaptationSettings
from polybatch.streams import stream
from polybatch.tables import Dataset

DOCUMENTS = pl.Schema(
    {"document_id": pl.String, "lang": pl.String, "group": pl.String, "text": pl.String}
)


@dataclass(frozen=True)
class DomainText:
    """Documents to adapt on, and those held out: DOCUMENTS, by dataset, language and place.

    `removed`: rows left out because an evaluation dataset has their text; `repeated`: rows left
    out because an earlier row of their language has it, or because they have no letter.
    """

    documents: pl.DataFrame
    heldout: pl.DataFrame
    removed: int
    repeated: int


def domain_text(
    datasets: Sequence[Dataset], evaluated: Sequence[Dataset], settings: AdaptationSettings
) -> DomainText:
    """Return the documents of `datasets` without any text that `evaluated` asks or searches.

    Texts are compared normalised (`pairs.normalised`), row by row, before rows are joined to
    documents. A transductive adaptation keeps what evaluation searches, never what it asks.
    InputError where nothing is left.
    """
    rows = pl.concat([_rows(dataset) for dataset in datasets])
    known = rows.join(_texts_of(evaluated, settings.transductive), on="key", how="anti")
    fresh = known.filter(pl.col("key") != "").unique(
        ["lang", "key"], keep="first", maintain_order=True
    )
    documents = _joined(fresh, settings.rows_per_document)
    held = [_draw(group) < settings.heldout_share for group in documents["group"]]
    keep = pl.Series(held, dtype=pl.Boolean)
    if documents.filter(~keep).is_empty():
        raise InputError(
            f"dapt.texts ({', '.join(dataset.name for dataset in datasets)})",
            f"no document to adapt on, of {rows.height} rows",
            "some that evaluation does not use and heldout_share leaves",
            "Add text, or lower dapt.heldout_share",
        )
    return DomainText(
        documents.filter(~keep),
        documents.filter(keep),
        rows.height - known.height,
        known.height - fresh.height,
    )


def _rows(dataset: Dataset) -> pl.DataFrame:
    frame = dataset.corpus.select(
        pl.lit(dataset.name).alias("dataset"),
        "doc_id",
        "lang",
        "text",
        pl.coalesce("group_id", "doc_id").alias("group"),
        normalised("text").alias("key"),
    )
    return frame.sort("lang", "group", "doc_id")


def _texts_of(evaluated: Sequence[Dataset], transductive: bool) -> pl.DataFrame:
    frames = [dataset.queries for dataset in evaluated]
    if not transductive:
        frames += [dataset.corpus for dataset in evaluated]
    keys = [frame.select(normalised("text").alias("key")) for frame in frames]
    return pl.concat([pl.DataFrame(schema={"key": pl.String}), *keys]).unique()


def _joined(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Join up to `most` neighbouring rows of one dataset, language and group."""
    place = pl.int_range(pl.len()).over("dataset", "lang", "group") // most
    return (
        rows.with_columns(place.alias("part"))
        .group_by("dataset", "lang", "group", "part", maintain_order=True)
        .agg(pl.col("doc_id").first().alias("document_id"), pl.col("text").str.join(" "))
        .select(DOCUMENTS.names())
    )


def _draw(group: str) -> float:
    """Return a number in [0, 1) that depends on the group alone: its translations go with it."""
    digest = hashlib.sha256(f"dapt/{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def plan_texts(
    langs: Sequence[str],
    keys: Sequence[Hashable] | None,
    settings: AdaptationSettings,
    seed: int,
) -> Int64:
    """Return which text is in which slot of which step, (S, B) rows of `langs` (N,).

    Languages get slots (steps, where batches are not mixed) in proportion to (number of texts)
    ** size_exponent, by largest remainder. Within a language texts come shuffled and without
    replacement, shuffled anew when all were used. No two texts of a batch have the same key;
    `keys`: None where they may. InputError where a batch cannot be filled.

    Example:
        >>> from polybatch.settings import AdaptationSettings
        >>> import types
        >>> settings = types.SimpleNamespace(
        ...     steps=3, batch_texts=2, mixed_batches=False, size_exponent=1.0)
        >>> plan = plan_texts(["en"] * 4 + ["sw"] * 2, range(6), settings, 0)
        >>> sorted(sorted(step) for step in plan.tolist())[-1]
        [4, 5]
    """
    shares = _shares(langs, settings.size_exponent)
    units = settings.steps * (settings.batch_texts if settings.mixed_batches else 1)
    order = [lang for lang, n in quotas(units, shares).items() for _ in range(n)]
    stream(seed, "dapt", "languages").shuffle(order)
    if not settings.mixed_batches:
        order = [lang for lang in order for _ in range(settings.batch_texts)]
    queues = {lang: _Queue(lang, langs, keys, seed) for lang in shares}
    plan = np.empty((settings.steps, settings.batch_texts), np.int64)
    for step in range(settings.steps):
        batch: set[Hashable] = set()
        for slot in range(settings.batch_texts):
            place = step * settings.batch_texts + slot
            plan[step, slot] = _take(queues, order, place, batch, settings)
    return plan


def quotas(units: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Return whole numbers that sum to `units`, by largest remainder (ties: the first).

    Example:
        >>> quotas(4, {"en": 0.5, "sw": 0.3, "yo": 0.2})
        {'en': 2, 'sw': 1, 'yo': 1}
    """
    exact = {name: units * share for name, share in shares.items()}
    whole = {name: int(value) for name, value in exact.items()}
    by_rest = sorted(exact, key=lambda name: whole[name] - exact[name])
    for name in by_rest[: units - sum(whole.values())]:
        whole[name] += 1
    return whole


def _shares(langs: Iterable[str], exponent: float) -> dict[str, float]:
    names, counts = np.unique(list(langs), return_counts=True)
    weights = counts.astype(np.float64) ** exponent
    return dict(zip(names.tolist(), (weights / weights.sum()).tolist(), strict=True))


class _Queue:
    """The texts of one language in the order they are to be used."""

    def __init__(
        self, lang: str, langs: Sequence[str], keys: Sequence[Hashable] | None, seed: int
    ) -> None:
        self.rows = np.flatnonzero(np.asarray(langs) == lang)
        self.keys, self.chance = keys, stream(seed, "dapt", "texts", lang)
        self.waiting: deque[int] = deque()

    def take(self, batch: set[Hashable]) -> int | None:
        """Return the first text that may join the batch, or None."""
        for again in (False, True):
            if again and len(self.waiting) < len(self.rows):
                self.waiting.extend(self.chance.permutation(self.rows).tolist())
            for place, row in enumerate(self.waiting):
                if self.keys is None or self.keys[row] not in batch:
                    del self.waiting[place]
                    if self.keys is not None:
                        batch.add(self.keys[row])
                    return row
        return None


def _take(
    queues: Mapping[str, _Queue],
    order: list[str],
    place: int,
    batch: set[Hashable],
    settings: AdaptationSettings,
) -> int:
    """Return the text for a place; a language that has none changes places with a later one."""
    for other in range(place, len(order) if settings.mixed_batches else place + 1):
        row = queues[order[other]].take(batch)
        if row is not None:
            order[place], order[other] = order[other], order[place]
            return row
    raise InputError(
        f"dapt, language {order[place]}",
        f"{len(batch)} texts that may be together in a batch",
        f"dapt.batch_texts ({settings.batch_texts})",
        "Lower dapt.batch_texts or dapt.rows_per_document, or add text in this language",
    )
