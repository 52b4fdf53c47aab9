"""A study of two strategies, one the packaged encoder as it comes, as the stages write it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from polybatch.core.dataset import (
    CORPUS,
    QRELS,
    QUERIES,
    Dataset,
    revision_of,
    write_dataset,
    write_table,
)
from polybatch.encoders.checkpoints import save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.use_multilingual import UseMultilingual
from polybatch.evaluation.scores import evaluate
from polybatch.retrieval.arm_folders import save_fusion, save_tokens
from polybatch.retrieval.index import EncodedQueries, build_index, save_index, save_queries

ROOT = Path(__file__).parents[2]
NAME = "cldr-test"
TEXTS = {
    "capital": {
        "de": ("Was ist die Hauptstadt von Frankreich?", "Paris ist die Hauptstadt Frankreichs."),
        "en": ("What is the capital of France?", "Paris is the capital of France."),
        "tr": ("Fransa'nın başkenti neresidir?", "Fransa'nın başkenti Paris'tir."),
    },
    "bread": {
        "de": ("Wie backt man Brot?", "Man knetet Mehl, Wasser und Hefe und backt den Teig."),
        "en": ("How do you bake bread?", "You knead flour, water and yeast and bake the dough."),
        "tr": ("Ekmek nasıl yapılır?", "Un, su ve maya yoğrulur ve hamur pişirilir."),
    },
    "rain": {
        "de": ("Warum regnet es?", "Wasserdampf in den Wolken wird zu Tropfen, die fallen."),
        "en": ("Why does it rain?", "Water vapour in clouds becomes drops that fall."),
        "tr": ("Neden yağmur yağar?", "Bulutlardaki su buharı damlalara dönüşür ve düşer."),
    },
    "bridge": {
        "de": ("Wer baute die alte Brücke?", "Die alte Brücke wurde von Mönchen gebaut."),
        "en": ("Who built the old bridge?", "The old bridge was built by monks."),
        "tr": ("Eski köprüyü kim yaptı?", "Eski köprü keşişler tarafından yapıldı."),
    },
    "doctor": {
        "de": ("Wann ist der Arzt da?", "Die Ärztin ist montags und mittwochs in der Praxis."),
        "en": ("When is the doctor in?", "The doctor is in the practice on Monday and Wednesday."),
        "tr": ("Doktor ne zaman burada?", "Doktor pazartesi ve çarşamba muayenehanede."),
    },
}
"""{item: {language: (question, answer)}}."""


def dataset() -> Dataset:
    """Return the questions and answers as a dataset."""
    rows = [(item, lang, *pair) for item, each in TEXTS.items() for lang, pair in each.items()]
    queries = [(f"q-{item}-{lang}", item, lang, asked, "test") for item, lang, asked, _ in rows]
    corpus = [
        (f"d-{item}-{lang}", lang, answer, "", item, None, None) for item, lang, _, answer in rows
    ]
    qrels = [(item, f"d-{item}-{lang}", 1) for item, lang, *_ in rows]
    return Dataset(
        NAME,
        pl.DataFrame(queries, QUERIES, orient="row"),
        pl.DataFrame(corpus, CORPUS, orient="row"),
        pl.DataFrame(qrels, QRELS, orient="row"),
    )


def write_study(folder: Path) -> Path:
    """Write params, data, the checkpoint and index of `zero-shot`, BM25 and results."""
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    (folder / "data/valid" / NAME).mkdir(parents=True)
    write_dataset(dataset(), folder / "data/valid" / NAME)
    encoder = LightEncoder(UseMultilingual())
    (folder / "models/zero-shot/0").mkdir(parents=True)
    save_checkpoint(encoder, folder / "models/zero-shot/0")
    write_index(folder, "zero-shot", encoder)
    (folder / "data/index/bm25/0" / NAME).mkdir(parents=True)
    save_tokens(folder / "data/index/bm25/0", dataset(), 0.9, 0.4)
    return folder


def write_index(folder: Path, strategy: str, encoder: Encoder) -> None:
    """Write what `index` and `evaluate` write of the first seed."""
    found = dataset()
    queries, documents = (
        encode_texts(encoder, table["text"].to_list(), 64, 8)
        for table in (found.queries, found.corpus)
    )
    place = folder / "data/index" / strategy / "0" / NAME
    place.mkdir(parents=True)
    save_index(build_index(found.corpus["doc_id"].to_list(), documents), place)
    save_queries(EncodedQueries(tuple(found.queries["query_id"]), queries), place)
    scores = evaluate(found, queries, documents, ["AP", "R@1"])
    for name in ("scores", "metrics", "bias"):
        (folder / "results" / name / strategy).mkdir(parents=True)
    path = folder / "results/scores" / strategy / "0.parquet"
    write_table(scores.per_query, path, {NAME: revision_of(found)})
    metrics = folder / "results/metrics" / strategy / "0.json"
    metrics.write_text(json.dumps(scores.summary), encoding="utf-8")
    bias = {NAME: {"panel": {"SameLanguage@10": 0.5}, "distinct_queries": {"de": [5, 5]}}}
    (folder / "results/bias" / strategy / "0.json").write_text(json.dumps(bias), encoding="utf-8")


def write_fusion(folder: Path) -> None:
    """Write the fusion `bm25-hybrid` of params.yaml, joining BM25 and `zero-shot` here."""
    place = folder / "data/index/bm25-hybrid/0"
    place.mkdir(parents=True)
    save_fusion(place, Path("bm25/0"), Path("zero-shot/0"), 60)
