"""A tiny encoder, domain text and settings to adapt it with."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import polars as pl
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from polybatch.adaptation.adapt import adapt
from polybatch.adaptation.corpus import DOCUMENTS, DomainText
from polybatch.adaptation.job import AdaptationSummary, Job
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.load import load_encoder
from polybatch.settings.adaptation import AdaptationSettings
from polybatch.settings.encoder import EncoderSettings
from polybatch.training.machine import make_deterministic
from tests.helpers import crop_settings

LENGTHS = EncoderSettings("use-multilingual", "", "as-saved", "", "", 16, 24, 32, "fp32")
SETTINGS = dataclasses.replace(
    crop_settings.SETTINGS,
    objective="mlm",
    texts=("toy",),
    rows_per_document=1,
    heldout_share=0.2,
    steps=8,
    batch_texts=4,
    max_length=24,
    mask_share=0.25,
    crop_min_share=0.3,
    learning_rate=2e-3,
    rows_learning_rate=2e-3,
    checkpoint_every=4,
    log_every=2,
)
WORDS = [f"word{i}" for i in range(40)]
SPECIAL = {"xlm": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
           "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]}  # fmt: skip


def texts(count: int = 30, seed: int = 0) -> DomainText:
    """Return documents whose words follow one another, so that there is something to learn."""
    chance, rows = random.Random(seed), []
    for number in range(count):
        first, step = chance.randrange(20), chance.randrange(4, 12)
        text = " ".join(WORDS[first : first + step])
        rows.append((f"d{number}", "en" if number % 2 else "sw", f"g{number}", text))
    frame = pl.DataFrame(rows, schema=DOCUMENTS, orient="row")
    return DomainText(frame.head(count - 6), frame.tail(6), 1, 2)


def tokenizer(kind: str) -> PreTrainedTokenizerFast:
    names = SPECIAL[kind]
    unused = [f"never{i}" for i in range(30)]
    # The mask is last, as in XLM-R, so that a vocabulary of fewer rows has to move it.
    order = [*names[:4], *WORDS[:20], *unused, *WORDS[20:], names[4]]
    vocabulary = {word: i for i, word in enumerate(order)}
    unknown = "<unk>" if kind == "xlm" else "[UNK]"
    fast = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    begin, end = ("<s>", "</s>") if kind == "xlm" else ("[CLS]", "[SEP]")
    ends = [(begin, vocabulary[begin]), (end, vocabulary[end])]
    fast.post_processor = processors.TemplateProcessing(f"{begin} $A {end}", None, ends)
    pad, mask = ("<pad>", "<mask>") if kind == "xlm" else ("[PAD]", "[MASK]")
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, cls_token=begin, sep_token=end, pad_token=pad, mask_token=mask,
        unk_token=unknown, bos_token=begin, eos_token=end, model_max_length=64,
    )  # fmt: skip


def transformer(folder: Path, kind: str = "xlm") -> Path:
    """Write a tiny random sentence encoder: transformer, pooling of the first token, dense."""
    torch.manual_seed(0)
    words = tokenizer(kind)
    common = {
        "vocab_size": len(words), "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 80,
        "pad_token_id": words.pad_token_id,
    }  # fmt: skip
    config = XLMRobertaConfig(**common) if kind == "xlm" else BertConfig(**common)
    (XLMRobertaModel(config) if kind == "xlm" else BertModel(config)).save_pretrained(folder / "hf")
    words.save_pretrained(folder / "hf")
    modules = [Transformer(str(folder / "hf")), Pooling(16, "cls"), Dense(16, 16)]
    encoder = SentenceTransformer(modules=modules, device="cpu")
    save_checkpoint(encoder, folder / "base")
    return folder / "base"


def job(folder: Path, base: Path | None, settings: AdaptationSettings = SETTINGS) -> Job:
    make_deterministic(0, 1)
    encoder = open_checkpoint(base) if base else load_encoder(LENGTHS)
    lengths = LENGTHS if base is None else dataclasses.replace(LENGTHS, name=str(base))
    where = (folder / "resume", folder / "curves")
    return Job(encoder, texts(), settings, lengths, 0, *where)


def run(folder: Path, base: Path | None, settings: AdaptationSettings) -> AdaptationSummary:
    todo = job(folder, base, settings)
    summary = adapt(todo)
    save_checkpoint(todo.encoder, folder / "checkpoint")
    return summary


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("checkpoint", "curves")
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }


def changed(settings: AdaptationSettings = SETTINGS, **values: object) -> AdaptationSettings:
    return dataclasses.replace(settings, **values)  # type: ignore[arg-type]
