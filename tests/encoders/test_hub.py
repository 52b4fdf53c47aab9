"""Encoders from folders: pooling by hand, prompts, and the whole way on MLQA."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

from polybatch.batches.plan import plan_batches, plan_texts
from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.encoders import tokens
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import load_encoder
from polybatch.encoders.tokens import count_by_language, count_tokens
from polybatch.evaluation.scores import evaluate
from polybatch.retrieval.index import build_index
from polybatch.settings.batches import BatchSettings
from polybatch.settings.data import DatasetSettings
from polybatch.settings.strategies import Strategy
from polybatch.settings.training import TrainingSettings
from polybatch.sources.fetch import Fetcher
from polybatch.sources.table import SOURCES
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import make_deterministic
from polybatch.validation.datasets import part_of
from tests.helpers.small_encoders import e5, labse, minilm, settings_for, xlm_roberta

TEXTS = ["word1 word2 word3", "word250", "word7 word8 word9 word10 word11 word12"]
MIRROR = os.environ.get("POLYBATCH_MIRROR")
LANGS = ("de", "en", "es")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return minilm(tmp_path_factory.mktemp("minilm"))


def _hidden(folder: Path, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return token vectors (B, T, D) and mask (B, T), by transformers alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    features = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**features).last_hidden_state
    return hidden.numpy(), features["attention_mask"].numpy()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _mean(hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows = [each[kept == 1].mean(axis=0) for each, kept in zip(hidden, mask, strict=True)]
    return _unit(np.stack(rows))


def test_a_transformers_folder_gets_mean_pooling(tmp_path: Path) -> None:
    folder = xlm_roberta(tmp_path)
    vectors = encode_texts(load_encoder(settings_for(folder)), TEXTS, 32, 2)
    np.testing.assert_allclose(vectors, _mean(*_hidden(folder, TEXTS)), atol=2e-6)
    vectors = encode_texts(load_encoder(settings_for(folder, pooling="cls")), TEXTS, 32, 2)
    np.testing.assert_allclose(vectors, _unit(_hidden(folder, TEXTS)[0][:, 0]), atol=2e-6)


def test_labse_keeps_cls_dense_and_tanh(tmp_path: Path) -> None:
    folder = labse(tmp_path)
    first = _hidden(folder, TEXTS)[0][:, 0]
    dense = load_file(folder / "2_Dense" / "model.safetensors")
    by_hand = np.tanh(first @ dense["linear.weight"].numpy().T + dense["linear.bias"].numpy())
    for pooling in ("as-saved", "cls"):
        encoder = load_encoder(settings_for(folder, pooling=pooling))
        np.testing.assert_allclose(encode_texts(encoder, TEXTS, 32, 2), _unit(by_hand), atol=2e-6)


def test_the_real_minilm_is_its_packages(real: Path) -> None:
    texts = ["A man is eating food.", "A man eats something.", "The sky is blue today."]
    vectors = encode_texts(load_encoder(settings_for(real)), texts, 32, 2)
    np.testing.assert_allclose(vectors, _mean(*_hidden(real, texts)), atol=2e-6)
    np.testing.assert_allclose(vectors, SentenceTransformer(str(real)).encode(texts), atol=2e-6)
    scores = vectors @ vectors.T
    assert scores[0, 1] > 0.6 > 0.3 > scores[0, 2]


def test_a_prompt_stands_before_each_text_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = xlm_roberta(tmp_path)
    shutil.copytree(folder, tmp_path / "multilingual-e5-small")
    folder = tmp_path / "multilingual-e5-small"
    with pytest.raises(InputError, match=r"encoder.query_prompt.*query: "):
        load_encoder(settings_for(folder))
    prompts = {"query_prompt": "word5 ", "document_prompt": "word6 "}
    encoder = load_encoder(settings_for(folder, **prompts))
    asked = encode_texts(encoder, TEXTS, 32, 2, "word5 ")
    by_hand = encode_texts(encoder, [f"word5 {text}" for text in TEXTS], 32, 2)
    np.testing.assert_array_equal(asked, by_hand)
    counts = count_tokens(encoder, TEXTS, 6, "word5 ")
    assert [counts.texts[text][:2] for text in TEXTS] == [(6, False), (4, False), (6, True)]
    odd = pl.DataFrame({"text": ["word1 ☃ word2", "☃", "☃"], "lang": ["en", "am", "am"]})
    by_language = {
        "am": {"tokens_per_word": None, "unknown": 0.2},  # beside begin, prompt, a space and end
        "en": {"tokens_per_word": round(7 / 3, 3), "unknown": round(1 / 7, 4)},
    }
    assert count_by_language(encoder, odd, 16, "word5 ", ["en"]) == (0, by_language)
    monkeypatch.setattr(tokens, "_PART", 1)  # equal texts are counted in turns
    assert count_by_language(encoder, odd, 16, "word5 ", ["en"]) == (0, by_language)
    cut, found = count_by_language(encoder, odd, 4, "word5 ", ["en"])
    assert (cut, found["en"]["tokens_per_word"]) == (3, None)
    assert counts.total([*TEXTS, TEXTS[2]]) == (22, 2)
    save_checkpoint(encoder, tmp_path / "saved")
    users = SentenceTransformer(str(tmp_path / "saved"))
    np.testing.assert_allclose(users.encode_query(TEXTS), asked, atol=1e-6)


def test_a_checkpoints_own_default_prompt_is_not_used_behind_the_params(tmp_path: Path) -> None:
    folder = labse(tmp_path)
    plain = encode_texts(load_encoder(settings_for(folder)), TEXTS, 32, 2)
    path = folder / "config_sentence_transformers.json"
    config = json.loads(path.read_text())
    config |= {"prompts": {"query": "word5 "}, "default_prompt_name": "query"}
    path.write_text(json.dumps(config))
    np.testing.assert_array_equal(
        encode_texts(load_encoder(settings_for(folder)), TEXTS, 32, 2), plain
    )
    np.testing.assert_array_equal(encode_texts(open_checkpoint(folder), TEXTS, 32, 2), plain)


def test_the_same_folder_gives_the_same_bytes_even_for_heads_drawn_at_random(
    tmp_path: Path,
) -> None:
    folder = xlm_roberta(tmp_path / "x")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("a", "b"):
        save_checkpoint(load_encoder(settings_for(folder)), tmp_path / name)
    one, other = (
        {p.name: p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("a", "b")
    )
    assert one == other


@pytest.mark.parametrize("key", ["model_args", "model_kwargs"])
def test_a_network_published_without_its_pooler_has_its_vectors(key: str, tmp_path: Path) -> None:
    """As Snowflake/snowflake-arctic-embed-m is, by `add_pooling_layer`."""
    folder = e5(tmp_path / "given")
    plain = encode_texts(load_encoder(settings_for(folder)), TEXTS, 32, 2)
    path = folder / "sentence_bert_config.json"
    config = json.loads(path.read_text()) | {key: {"add_pooling_layer": False}}
    path.write_text(json.dumps(config))
    encoder = load_encoder(settings_for(folder))
    assert encoder[0].model.pooler is None
    np.testing.assert_array_equal(encode_texts(encoder, TEXTS, 32, 2), plain)
    save_checkpoint(encoder, tmp_path / "saved")
    again = open_checkpoint(tmp_path / "saved")
    np.testing.assert_array_equal(encode_texts(again, TEXTS, 32, 2), plain)


@pytest.fixture(scope="module")
def mlqa(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two dozen dev questions that all three languages have, and the documents that answer them."""
    if not MIRROR:
        pytest.skip("needs the published files: set POLYBATCH_MIRROR to a mirror of them")
    folder, source = tmp_path_factory.mktemp("mlqa"), SOURCES["mlqa"]
    source.download(folder, LANGS, ("dev",), Fetcher(Path(MIRROR), folder / "work"))
    settings = DatasetSettings("mlqa", "evaluate", LANGS, ("dev",), "all", 0.0)
    read = source.read(folder, LANGS, ("dev",))
    whole = part_of(Dataset("mlqa", read.queries, read.corpus, read.qrels), settings)
    asked = whole.queries.group_by("item_id").len().filter(pl.col("len") == 3)
    items = asked["item_id"].sort().head(24).to_list()
    qrels = whole.qrels.filter(pl.col("item_id").is_in(items))
    return Dataset(
        "mlqa",
        whole.queries.filter(pl.col("item_id").is_in(items)),
        whole.corpus.filter(pl.col("doc_id").is_in(qrels["doc_id"].to_list())),
        qrels,
    )


def _scores(encoder: SentenceTransformer, dataset: Dataset) -> dict[str, float]:
    queries = encode_texts(encoder, dataset.queries["text"].to_list(), 24, 32)
    documents = encode_texts(encoder, dataset.corpus["text"].to_list(), 48, 32)
    index = build_index(dataset.corpus["doc_id"].to_list(), documents)
    summary = evaluate(dataset, queries, index.vectors, ["AP"]).summary["mlqa"]
    return {setting: summary[setting]["AP"] for setting in ("mono", "cross", "multi")}


def _loss(encoder: SentenceTransformer, plan: Plan) -> float:
    """Return the mean InfoNCE loss over all batches of the plan, written out."""
    losses = []
    for (_,), batch in plan.texts.group_by("step", maintain_order=True):
        queries = encode_texts(encoder, batch["query_text"].to_list(), 24, 32)
        documents = encode_texts(encoder, batch["doc_text"].to_list(), 48, 32)
        scores = queries @ documents.T / 0.05
        losses.append(float(np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("kind", ["minilm", "xlm_roberta", "labse"])
def test_the_whole_way_on_mlqa(kind: str, mlqa: Dataset, real: Path, tmp_path: Path) -> None:
    texts = [*mlqa.queries["text"], *mlqa.corpus["text"]]
    makers = {"xlm_roberta": xlm_roberta, "labse": labse}
    folder = makers[kind](tmp_path / "given", texts) if kind in makers else real
    lengths = settings_for(folder, query_length=24, document_length=48)
    make_deterministic(0, 1)
    encoder = load_encoder(lengths)
    before = _scores(encoder, mlqa)
    batches, strategy = (
        BatchSettings(8, 8, 1.0, match_budget=False, exposure="pairs"),
        Strategy("base", "hybrid", 0.5),
    )
    plan = plan_batches([mlqa], "hybrid", strategy, batches, 0)
    rate = 1e-4 if kind == "minilm" else 1e-3
    training = TrainingSettings("fp32", rate, rate, 0.05, 0.1, 1.0, 4, 1, 0, 0)
    followed = Plan("hybrid", plan_texts(plan.table, [mlqa]), 8)
    untrained = _loss(encoder, followed)
    summary = train(encoder, followed, training, lengths, 0, tmp_path / "r", tmp_path / "c")
    assert summary.steps == 8
    assert _loss(encoder, followed) < untrained
    assert 0 < summary.trained_rows <= len(encoder.tokenizer)
    assert summary.truncated_documents > 0
    save_checkpoint(encoder, tmp_path / "checkpoint")
    after = _scores(open_checkpoint(tmp_path / "checkpoint"), mlqa)
    assert after["cross"] > before["cross"]  # of what it was trained on
    if kind == "minilm":
        assert before["mono"] > 0.5  # a real encoder, though mostly of English
    plain = SentenceTransformer(str(tmp_path / "checkpoint"))  # no word of trust needed
    assert "polybatch" not in (tmp_path / "checkpoint" / "modules.json").read_text()
    kept = plain.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(kept, encode_texts(encoder, TEXTS, 48, 32), atol=1e-5)
