"""The laws of a batch plan, checked from the plan and the datasets only, not from the planner."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import accumulate

import polars as pl

from polybatch.batches.pairs import item_keys, pair_counts
from polybatch.batches.plan import KINDS, PLAN, shares_of
from polybatch.batches.quotas import Shares, blocks_of
from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.languages import LanguagePair
from polybatch.settings.batches import BatchSettings
from polybatch.settings.strategies import Strategy


def check_plan(
    table: pl.DataFrame,
    datasets: Sequence[Dataset],
    settings: BatchSettings,
    strategy: Strategy,
    budgets: Sequence[int] = (),
) -> None:
    """Raise InputError with the law that the plan breaks and the first step where it does.

    `budgets`: steps of the study's strategies; the mix is as requested up to each of them.

    Example:
        >>> settings = BatchSettings(2, 4, 0.5, False, "equal")
        >>> check_plan(PLAN.to_frame(), [], settings, Strategy("base", "mono"))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: batch plan, law 'every batch is full': found 0 rows, ...
    """
    if table.schema != PLAN:
        _broken("its columns", f"{dict(table.schema)}", f"{dict(PLAN)}")
    kind = KINDS[strategy.batches]
    steps = 0 if strategy.batches == "none" else settings.steps
    _check_full(table, steps, settings.batch_pairs)
    _check_pairs(table, datasets)
    if strategy.batches != "x-y":
        _check_each_batch_has_one(table, ["kind"], "be of one kind")
    if kind.unit == "batch":
        _check_each_batch_has_one(table, ["query_lang", "doc_lang"], "have one language pair")
    _check_no_shared_document(table, datasets)
    if steps:
        counts = pair_counts(datasets)
        blocks = blocks_of(steps, [budget for budget in budgets if budget < steps])
        _check_mix(table, shares_of(counts, strategy, settings), settings.batch_pairs, blocks)
        if settings.exposure == "item":
            languages = {lang for pair in counts for lang in (pair.query, pair.document)}
            _check_parallel(table, datasets, len(languages))


def _check_full(table: pl.DataFrame, steps: int, size: int) -> None:
    expected = pl.DataFrame({"slot": range(steps * size)}, schema={"slot": pl.Int64}).select(
        step=pl.col("slot") // size, slot=pl.col("slot") % size
    )
    if not table.select("step", "slot").equals(expected):
        _broken("every batch is full", f"{table.height} rows", f"{steps} batches of {size}")


def _check_pairs(table: pl.DataFrame, datasets: Sequence[Dataset]) -> None:
    """Every row is a query and a relevant document of its item, in the languages it says."""
    for dataset in datasets:
        relevant = dataset.qrels.filter(pl.col("relevance") > 0)
        true = table.filter(pl.col("dataset") == dataset.name).join(
            dataset.queries.select("item_id", "query_id", query_lang="lang"),
            on=["item_id", "query_id", "query_lang"],
            how="anti",
        )
        wrong = table.filter(pl.col("dataset") == dataset.name).join(
            relevant, on=["item_id", "doc_id"], how="anti"
        )
        languages = table.filter(pl.col("dataset") == dataset.name).join(
            dataset.corpus.select("doc_id", doc_lang="lang"), on=["doc_id", "doc_lang"], how="anti"
        )
        for bad in (true, wrong, languages):
            if bad.height:
                _broken(
                    "every row is a training pair",
                    str(bad.row(0)),
                    "a query and a relevant document of its item",
                )
    kinds = pl.when(pl.col("query_lang") == pl.col("doc_lang")).then(pl.lit("mono"))
    wrong = table.filter(pl.col("kind") != kinds.otherwise(pl.lit("cross")))
    if wrong.height:
        _broken("kind says whether the languages are equal", str(wrong.row(0)), "mono or cross")


def _check_each_batch_has_one(table: pl.DataFrame, columns: list[str], law: str) -> None:
    several = table.group_by("step").agg(pl.struct(columns).n_unique().alias("n"))
    bad = several.filter(pl.col("n") > 1).sort("step")
    if bad.height:
        _broken(f"every batch must {law}", f"{bad['n'][0]} in step {bad['step'][0]}", "one")


def _check_no_shared_document(table: pl.DataFrame, datasets: Sequence[Dataset]) -> None:
    planned = table.select("dataset", "item_id").unique().sort("dataset", "item_id")
    items = planned.with_row_index("item")
    judged = pl.concat(
        [
            dataset.qrels.filter(pl.col("relevance") > 0).select(
                pl.lit(dataset.name).alias("dataset"), "item_id", "doc_id"
            )
            for dataset in datasets
        ]
    )
    documents = judged.join(items, on=["dataset", "item_id"])
    keys = item_keys(datasets, items, documents)
    keys = pl.concat([keys, items.select("item", key=pl.col("item").cast(pl.UInt64))])
    rows = table.join(items, on=["dataset", "item_id"]).join(keys, on="item")
    twice = rows.group_by("step", "key").agg(pl.len().alias("n"), pl.col("item_id").first())
    bad = twice.filter(pl.col("n") > 1).sort("step", "key")
    if bad.height:
        _broken(
            "no two pairs of a batch share an item, a relevant document or a text",
            f"{bad['n'][0]} in step {bad['step'][0]} (item {bad['item_id'][0]})",
            "one",
        )


def _check_mix(table: pl.DataFrame, shares: Shares, size: int, blocks: Sequence[int]) -> None:
    """Every sum that `quotas.apportion` rounds is within one batch of its share."""
    for end, steps in zip(accumulate(blocks), blocks, strict=True):
        until = table.filter(pl.col("step") < end)
        for what, group in _SUMS.items():
            _check_sums(until.filter(pl.col("step") >= end - steps), shares, size, what, group)
        _check_sums(until, shares, size, "query language", _SUMS["query language"])


_SUMS: dict[str, Callable[[LanguagePair], str]] = {
    "kind": lambda pair: pair.kind,
    "language pair": str,
    "query language": lambda pair: pair.query,
    "query language of a kind": lambda pair: f"{pair.query} ({pair.kind})",
    "document language of a kind": lambda pair: f"{pair.document} ({pair.kind})",
}


def _check_sums(
    table: pl.DataFrame, shares: Shares, size: int, what: str, group: Callable[[LanguagePair], str]
) -> None:
    wanted, found = defaultdict[str, float](float), Counter[str]()
    for pair, share in shares.items():
        wanted[group(pair)] += share * table.height
    rows = table.group_by("query_lang", "doc_lang").agg(pl.len().alias("n")).rows()
    for query_lang, doc_lang, n in rows:
        found[group(LanguagePair(query_lang, doc_lang))] += n
    for name in sorted({*wanted, *found}):
        if abs(found[name] - wanted[name]) >= size:
            law = f"the mix is the requested one, by {what}"
            if not found[name]:
                law = f"every {what} whose share is at least one batch takes part"
            expected = f"{wanted[name]:.1f}, give or take less than a batch of {size}"
            _broken(law, f"{found[name]} pairs of {name}", expected)


def _check_parallel(table: pl.DataFrame, datasets: Sequence[Dataset], languages: int) -> None:
    """Every item of the plan has a query and a relevant document in every language."""
    for dataset in datasets:
        planned = table.filter(pl.col("dataset") == dataset.name).select("item_id").unique()
        relevant = dataset.qrels.filter(pl.col("relevance") > 0)
        documents = relevant.join(dataset.corpus.select("doc_id", "lang"), on="doc_id")
        for rows in (dataset.queries, documents):
            found = rows.join(planned, on="item_id").group_by("item_id").agg(pl.n_unique("lang"))
            bad = found.filter(pl.col("lang") < languages).sort("item_id")
            if bad.height:
                law = "with exposure 'item', every item is in every language"
                _broken(law, f"{bad['item_id'][0]} in {bad['lang'][0]}", f"{languages} languages")


def _broken(law: str, found: str, expected: str) -> None:
    raise InputError(
        f"batch plan, law '{law}'",
        found,
        expected,
        "This is a fault of the planner: report it with params.yaml",
    )
