"""A strategy, a source, an encoder and a measure added from outside, as CONTRIBUTING shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizer

from polybatch.batches.invariants import check_plan
from polybatch.batches.plan import KINDS, BatchKind, plan_batches, plan_texts
from polybatch.core.dataset import Dataset
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import ENCODERS, load_encoder
from polybatch.evaluation.measures import MEASURES, Measure
from polybatch.evaluation.scores import evaluate
from polybatch.settings.batches import BatchSettings
from polybatch.settings.data import DatasetSettings
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.load import load
from polybatch.settings.strategies import Strategy
from polybatch.settings.training import TrainingSettings
from polybatch.sources.source import Parsed, Rows, Source
from polybatch.sources.table import SOURCES, source_of
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import make_deterministic
from polybatch.validation.datasets import part_of

ROOT = Path(__file__).parents[2]
LANGS = ("de", "en", "sw")


class Toy(Source):
    """The source of CONTRIBUTING.md: sixteen numbers, named in three languages."""

    name, languages, splits = "toy", LANGS, ("all",)
    licence, citation, homepage, revision = "CC0-1.0", "none", "none", "1"

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        rows = Rows()
        for number in range(16):
            item = f"toy:{number}"
            for lang in languages:
                doc_id = f"{item}:{lang}"
                rows.queries[f"{doc_id}?"] = {
                    "query_id": f"{doc_id}?",
                    "item_id": item,
                    "lang": lang,
                    "text": f"{lang}{number} q{number}",
                    "split": "all",
                }
                rows.corpus[doc_id] = {
                    "doc_id": doc_id,
                    "lang": lang,
                    "text": f"{lang}{number} d{number}",
                    "title": None,
                    "group_id": item,
                    "document_id": None,
                    "template_id": None,
                }
                rows.qrels[item, doc_id] = {"item_id": item, "doc_id": doc_id, "relevance": 1}
        return rows.parsed()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setitem(SOURCES, "toy", Toy())
    return source_of("toy", LANGS, ["all"])


def _dataset(toy: Source, tmp_path: Path):  # type: ignore[no-untyped-def]
    settings = DatasetSettings("toy", "train", LANGS, ("all",), "all", 0.0)
    read = toy.read(tmp_path, LANGS, ["all"])
    return part_of(Dataset("toy", read.queries, read.corpus, read.qrels), settings)


def test_a_source_from_outside(toy: Source, tmp_path: Path) -> None:
    toy.download(tmp_path, LANGS, ["all"], lambda file, path: None)
    assert (tmp_path / "manifest.json").is_file()
    assert _dataset(toy, tmp_path).queries.height == 48


def test_a_batch_kind_from_outside(
    toy: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """English documents for questions in any other language."""

    def pivot(counts, exponent, strategy):  # type: ignore[no-untyped-def]
        wanted = {
            pair: n**exponent
            for pair, n in counts.items()
            if pair.document == "en" and pair.query != "en"
        }
        return {pair: weight / sum(wanted.values()) for pair, weight in wanted.items()}

    monkeypatch.setitem(KINDS, "pivot", BatchKind(pivot, "batch", "questions, English answers"))
    dataset, settings = (
        _dataset(toy, tmp_path),
        BatchSettings(6, 4, 1.0, match_budget=False, exposure="pairs"),
    )
    strategy = Strategy("base", "pivot")
    plan = plan_batches([dataset], "pivot", strategy, settings, 0)
    check_plan(plan.table, [dataset], settings, strategy)
    assert set(plan.table["doc_lang"]) == {"en"}
    assert set(plan.table["query_lang"]) == {"de", "sw"}


def test_a_strategy_from_outside_is_an_entry_of_params(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    entry = "  hybrid-30:\n    start: base\n    batches: hybrid\n    cross_ratio: 0.3\n"
    (tmp_path / "params.yaml").write_text(
        text.replace("\nstrategies:\n", f"\nstrategies:\n{entry}"), encoding="utf-8"
    )
    assert load(tmp_path / "params.yaml").strategies["hybrid-30"].cross_ratio == 0.3


def test_a_measure_from_outside(
    toy: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def success(found, k):  # type: ignore[no-untyped-def]
        return (found.first_rank <= k).astype(np.float64)

    monkeypatch.setitem(MEASURES, "Success", Measure(success, "one found in the first k"))
    dataset = _dataset(toy, tmp_path)
    queries = np.eye(48, dtype=np.float32)
    summary = evaluate(dataset, queries, queries[:, :48], ["Success@5", "R@5"]).summary["toy"]
    assert summary["multi"]["Success@5"] >= summary["multi"]["R@5"]


def test_an_encoder_from_outside(
    toy: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tiny transformer with mean pooling goes through planning, training and encoding."""

    def words(settings: EncoderSettings) -> SentenceTransformer:
        make_deterministic(0, 1)
        pieces = [f"{letter}{n}" for letter in (*LANGS, "q", "d") for n in range(16)]
        (tmp_path / "vocab.txt").write_text(
            "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *pieces])
        )
        BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
        shape = BertConfig(
            vocab_size=4 + len(pieces),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        )
        BertModel(shape).save_pretrained(tmp_path / "bert")
        transformer = Transformer(str(tmp_path / "bert"))
        pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
        return SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")

    monkeypatch.setitem(ENCODERS, "words", words)
    settings = EncoderSettings("words", "", "as-saved", "", "", 8, 8, 16, "fp32")
    encoder = load_encoder(settings)
    dataset = _dataset(toy, tmp_path)
    batches = BatchSettings(10, 8, 1.0, match_budget=False, exposure="pairs")
    plan = plan_batches([dataset], "mono", Strategy("base", "mono"), batches, 0)
    training = TrainingSettings("fp32", 0.05, 0.05, 0.1, 0.0, 1.0, 10, 1, 0, 0)
    texts = plan_texts(plan.table, [dataset])
    summary = train(
        encoder, Plan("mono", texts, 8), training, settings, 0, tmp_path / "r", tmp_path / "c"
    )
    assert summary.last_loss is not None
    assert summary.first_loss is not None
    assert summary.last_loss < summary.first_loss
    vectors = encode_texts(encoder, dataset.queries["text"].to_list(), 8, 16)
    assert vectors.shape == (48, 16)
