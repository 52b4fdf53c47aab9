"""What an exported encoder's rounded numbers cost, a language at a time: small ones lose first."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.markdown import markdown, number
from polybatch.core.vectors import Float32
from polybatch.encoders.encode import encode_with_settings
from polybatch.encoders.light import Encoder
from polybatch.encoders.onnx_encoder import OnnxEncoder
from polybatch.evaluation.scores import evaluate
from polybatch.retrieval.index import load_index, load_queries
from polybatch.settings.encoder import EncoderSettings

_KEY = ["dataset", "setting", "query_lang"]


def losses(
    encoder: Encoder | OnnxEncoder, settings: EncoderSettings, dataset: Dataset, index: Path
) -> pl.DataFrame:
    """Return (dataset, setting, query_lang, before, after): mean AP, in [0, 1], before and after.

    `encoder`: the exported one, whose numbers are rounded. `index`: what the study indexed of the
    dataset with the checkpoint that was exported.
    """
    before = _scores(dataset, load_queries(index).vectors, load_index(index).vectors)
    queries = encode_with_settings(encoder, settings, dataset.queries["text"].to_list(), "query")
    documents = encode_with_settings(
        encoder, settings, dataset.corpus["text"].to_list(), "document"
    )
    after = _scores(dataset, queries, documents)
    found = before.rename({"score": "before"}).join(after.rename({"score": "after"}), on=_KEY)
    return found.sort(_KEY)


def refuse_losses(found: pl.DataFrame, most: float) -> None:
    """Refuse an export that loses more than `most` points of AP in a language and setting.

    Raises:
        InputError: a language loses more.

    Example:
        >>> row = {"dataset": "d", "setting": "mono", "query_lang": "am"}
        >>> row |= {"before": 0.5, "after": 0.48}
        >>> refuse_losses(pl.DataFrame([row]), most=0.5)
        Traceback (most recent call last):
        polybatch.core.errors.InputError: export, d mono am: found a loss of 2.00 points of AP, ...
    """
    lost = found.with_columns(lost=100 * (pl.col("before") - pl.col("after")))
    if (worst := lost.sort("lost").row(-1, named=True))["lost"] > most:
        raise InputError(
            f"export, {worst['dataset']} {worst['setting']} {worst['query_lang']}",
            f"a loss of {worst['lost']:.2f} points of AP",
            f"at most {most:g} (--max-loss)",
            "Choose a finer --dtype, or allow the loss",
        )


def loss_table(found: pl.DataFrame) -> str:
    """Return Markdown: one row per dataset and language, one column per setting, AP in points.

    Example:
        >>> row = {"dataset": "d", "setting": "mono", "query_lang": "am"}
        >>> row |= {"before": 0.5, "after": 0.48}
        >>> print(loss_table(pl.DataFrame([row])))
        | queries in | mono |
        |:---|---:|
        | d am | -2.0 |
    """
    change = found.with_columns(change=pl.col("after") - pl.col("before"))
    wide = change.pivot("setting", index=["dataset", "query_lang"], values="change")
    names = [f"{dataset} {lang}" for dataset, lang in wide.select("dataset", "query_lang").rows()]
    columns = {
        name: [number(value, sign=True) for value in wide[name]]
        for name in wide.columns
        if name not in ("dataset", "query_lang")
    }
    return markdown(pl.DataFrame({"queries in": names} | columns))


def _scores(dataset: Dataset, queries: Float32, documents: Float32) -> pl.DataFrame:
    scores = evaluate(dataset, queries, documents, ["AP"]).per_query
    return scores.group_by(_KEY).agg(pl.col("score").mean())
