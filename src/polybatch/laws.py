"""The laws of a batch plan, checked from the plan and the datasets alone, not from the planner."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from polybatch.errors import InputError
from polybatch.languages import LanguagePair
from polybatch.pairs import item_keys, pair_counts
from polybatch.plans import KINDS, PLAN
from polybatch.settings import BatchSettings, Strategy
from polybatch.tables import Dataset


def check_plan(
    table: pl.DataFrame, datasets: Sequence[Dataset], settings: BatchSettings, strategy: Strategy
) -> None:
    """Raise InputError with the law that the plan breaks and the first step where it does."""
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
    _check_nobody_meets_twice(table, datasets)
    if steps:
        shares = kind.shares(pair_counts(datasets), settings.size_exponent, strategy)
        _check_mix(table, shares, settings.batch_pairs)


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


def _check_nobody_meets_twice(table: pl.DataFrame, datasets: Sequence[Dataset]) -> None:
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
    met = table.join(items, on=["dataset", "item_id"]).join(keys, on="item")
    twice = met.group_by("step", "key").agg(pl.len().alias("n"), pl.col("item_id").first())
    bad = twice.filter(pl.col("n") > 1).sort("step", "key")
    if bad.height:
        _broken(
            "no two pairs of a batch share an item, a relevant document or a text",
            f"{bad['n'][0]} in step {bad['step'][0]} (item {bad['item_id'][0]})",
            "one",
        )


def _check_mix(table: pl.DataFrame, shares: dict[LanguagePair, float], size: int) -> None:
    rows = table.group_by("query_lang", "doc_lang").agg(pl.len().alias("n")).rows()
    found = {LanguagePair(asked, answered): n for asked, answered, n in rows}
    for pair in {*shares, *found}:
        asked = shares.get(pair, 0.0) * table.height
        if abs(found.get(pair, 0) - asked) > 2 * size:  # one batch, and one of its kind's total
            _broken(
                "the mix is the asked one",
                f"{found.get(pair, 0)} pairs of {pair}",
                f"{asked:.1f}, give or take a batch",
            )
    for kind in ("mono", "cross"):
        asked = sum(share for pair, share in shares.items() if pair.kind == kind) * table.height
        there = sum(n for pair, n in found.items() if pair.kind == kind)
        if abs(there - asked) > size:
            _broken("the mix is the asked one", f"{there} {kind} pairs", f"{asked:.1f}")


def _broken(law: str, found: str, expected: str) -> None:
    raise InputError(
        f"batch plan, law '{law}'",
        found,
        expected,
        "This is a fault of the planner: report it with params.yaml",
    )
