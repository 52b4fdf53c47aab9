"""Domain text: which documents an adaptation may read, and which of them share a step.

Both are decided before training, from the data, the settings and the seed only.

Letters: N documents or packed sequences, S steps, B texts a step.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from polybatch.batches.pairs import Int64
from polybatch.batches.queues import Batch, Queue, take_at
from polybatch.batches.quotas import Shares, apportion
from polybatch.core.dataset import Dataset, normalised
from polybatch.core.errors import InputError
from polybatch.core.languages import LanguagePair
from polybatch.core.randomness import stream
from polybatch.settings.adaptation import AdaptationSettings
from polybatch.validation.split import components

DOCUMENTS = pl.Schema(
    {"document_id": pl.String, "lang": pl.String, "group": pl.String, "text": pl.String}
)


@dataclass(frozen=True)
class DomainText:
    """Documents to adapt on, and those held out: DOCUMENTS, by dataset, language and place.

    `group`: what a document and its translations have in common (`_families`). `removed`: rows
    left out because an evaluation dataset has their text; `repeated`: rows left out because an
    earlier row of their language has it, or because they have no letter.
    """

    documents: pl.DataFrame
    heldout: pl.DataFrame
    removed: int
    repeated: int


def domain_text(
    datasets: Sequence[Dataset], evaluated: Sequence[Dataset], settings: AdaptationSettings
) -> DomainText:
    """Return the documents of `datasets` without any query or document text of `evaluated`.

    Texts are compared normalised (`dataset.normalised`), row by row, before rows are joined to
    documents. A transductive adaptation keeps evaluation's documents, never its queries. Documents
    that answer a common item are of one group, so that translations are held out together.
    InputError where nothing is left.

    Example:
        >>> import types
        >>> from polybatch.core.dataset import QRELS
        >>> corpus = pl.DataFrame({"doc_id": ["a", "b", "c"], "lang": "en", "group_id": "g",
        ...                        "text": ["Yes.", "No.", "yes"]})
        >>> faq = Dataset("faq", pl.DataFrame({"text": ["No!"]}), corpus, QRELS.to_frame())
        >>> settings = types.SimpleNamespace(
        ...     transductive=True, rows_per_document=1, heldout_share=0.0)
        >>> found = domain_text([faq], [faq], settings)
        >>> found.documents["text"].to_list(), found.removed, found.repeated
        (['Yes.'], 1, 1)
    """
    rows = pl.concat(parts := [_rows(dataset) for dataset in datasets])
    known = rows.join(_texts_of(evaluated, settings.transductive), on="key", how="anti")
    fresh = known.filter(pl.col("key") != "").unique(
        ["lang", "key"], keep="first", maintain_order=True
    )
    documents = _joined(fresh, settings.rows_per_document).with_columns(
        pl.col("group").replace(_families(datasets, parts))
    )
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


def _families(datasets: Sequence[Dataset], parts: Sequence[pl.DataFrame]) -> dict[str, str]:
    """Return a name that groups have in common where an item's answers hang them together.

    `parts`: `_rows` of each dataset. The name is the smallest of these groups; one that no item
    joins to another has no entry. A source may name groups in each language anew, as MLQA does.
    """
    answers = pl.concat(
        [
            dataset.qrels.filter(pl.col("relevance") > 0)
            .join(part.select("doc_id", "group"), on="doc_id")
            .select("item_id", "group")
            for dataset, part in zip(datasets, parts, strict=True)
        ]
    )
    first = pl.col("group").min().over("item_id")
    links = answers.select(first.alias("first"), "group").filter(pl.col("group") != pl.col("first"))
    return components(links.unique().iter_rows())


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
    """Return a number in [0, 1) that depends on the group alone, whatever its language."""
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
    ** size_exponent, rounded as those of batch plans (`quotas.apportion`). Within a language texts
    come shuffled and without replacement, shuffled anew when all were used. No two texts of a
    batch have the same key: one that may not join waits for a later batch. `keys` None: any texts
    may be together, one even with itself.

    InputError where a batch cannot be filled; where they are not mixed, for any language of too few
    texts, whether or not this seed draws a batch of it.

    Example:
        >>> from polybatch.settings.adaptation import AdaptationSettings
        >>> import types
        >>> settings = types.SimpleNamespace(
        ...     steps=3, batch_texts=2, mixed_batches=False, size_exponent=1.0)
        >>> plan = plan_texts(["en"] * 4 + ["sw"] * 2, range(6), settings, 0)
        >>> sorted(sorted(step) for step in plan.tolist())[-1]
        [4, 5]
    """
    shares = _shares(langs, settings.size_exponent)
    if keys is not None and not settings.mixed_batches:
        _refuse_small(langs, keys, settings)
    units = settings.steps * (settings.batch_texts if settings.mixed_batches else 1)
    (counts,) = apportion(shares, [units], stream(seed, "dapt", "quotas"))
    order = [pair.query for pair, n in counts.items() for _ in range(n)]
    stream(seed, "dapt", "languages").shuffle(order)
    if not settings.mixed_batches:
        order = [lang for lang in order for _ in range(settings.batch_texts)]
    every = np.asarray(langs)
    queues = {
        lang: Queue(np.flatnonzero(every == lang), (seed, "dapt", "texts", lang))
        for lang in dict.fromkeys(order)
    }
    plan = np.empty(settings.steps * settings.batch_texts, np.int64)
    for place in range(len(plan)):
        if place % settings.batch_texts == 0:
            batch = Batch(lambda row: () if keys is None else (keys[row],))
        row = take_at(place, order, queues.__getitem__, batch, settings.mixed_batches)
        if row is None:
            raise _cannot_fill(order[place], place % settings.batch_texts, settings)
        plan[place] = row
    return plan.reshape(settings.steps, settings.batch_texts)


def _shares(langs: Iterable[str], exponent: float) -> Shares:
    names, counts = np.unique(list(langs), return_counts=True)
    weights = counts.astype(np.float64) ** exponent
    pairs = [LanguagePair(name, name) for name in names.tolist()]
    return dict(zip(pairs, (weights / weights.sum()).tolist(), strict=True))


def _refuse_small(
    langs: Sequence[str], keys: Sequence[Hashable], settings: AdaptationSettings
) -> None:
    """Refuse the language of the fewest different texts if they fill no batch of its own."""
    there = Counter(lang for lang, _ in set(zip(langs, keys, strict=True)))
    lang = min(sorted(there), key=lambda name: there[name])
    if there[lang] < settings.batch_texts:
        raise _cannot_fill(lang, there[lang], settings)


def _cannot_fill(lang: str, found: int, settings: AdaptationSettings) -> InputError:
    return InputError(
        f"dapt, language {lang}",
        f"{found} texts that may be together in a batch",
        f"dapt.batch_texts ({settings.batch_texts})",
        "Lower dapt.batch_texts or dapt.rows_per_document, or add text in this language",
    )
