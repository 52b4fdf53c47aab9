"""TSDAE: a decoder restores the document from the vector of a damaged copy.

The loss is sentence-transformers' `DenoisingAutoEncoderLoss` with the decoder tied to the encoder
(Wang, Reimers, Gurevych, arXiv 2104.06979), in parts; the noise is ours
(`polybatch.adaptation.noise.delete`), which needs no download to find words and knows scripts
without spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import DenoisingAutoEncoderLoss
from torch import Tensor
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

from polybatch.adaptation.corpus import plan_texts
from polybatch.adaptation.job import Job, Outcome, keys_of
from polybatch.adaptation.noise import delete
from polybatch.adaptation.trainer import Batch, Steps, follow
from polybatch.adaptation.word_loss import head_of, word_loss
from polybatch.core.errors import InputError
from polybatch.core.randomness import stream
from polybatch.encoders.tokens import token_limit


def can_denoise(encoder: SentenceTransformer) -> bool:
    """Return whether the encoder is a transformer whose kind can also decode, given a vector."""
    transformer = encoder.transformers_model
    return (
        transformer is not None
        and type(transformer.config) in MODEL_FOR_MASKED_LM_MAPPING
        and type(transformer.config) in MODEL_FOR_CAUSAL_LM_MAPPING
        and hasattr(transformer.config, "add_cross_attention")
    )


def adapt_by_denoising(job: Job) -> Outcome:
    """Adapt on damaged documents; the decoder's own weights are dropped afterwards."""
    documents = job.texts.documents
    texts, langs = documents["text"].to_list(), documents["lang"].to_list()
    plan = plan_texts(langs, keys_of(documents, job.settings.mixed_batches), job.settings, job.seed)
    module = _loss(job)
    batches = _Batches(job, texts)
    ids = documents["document_id"].to_list()
    steps = Steps(
        plan,
        texts,
        lambda step, slots: batches(plan[step, slots].tolist(), step, slots.start),
        lambda batch: int((batch["whole"]["attention_mask"][:, 1:]).sum()),
        lambda step: [ids[row] for row in plan[step].tolist()],
    )
    tokens = sum(batches.tokens(batch, step) for step, batch in enumerate(plan.tolist()))
    losses = follow(job, module, steps)
    rows = len(job.encoder.transformers_model.get_input_embeddings().weight)
    return Outcome(plan, langs, tokens, rows, losses)


class _Denoising(DenoisingAutoEncoderLoss):  # type: ignore[misc]
    """The library's loss, of one batch, whose scores of words are made in parts."""

    def forward(self, damaged: dict[str, Tensor], whole: dict[str, Tensor]) -> Tensor:
        """Features of damaged and whole texts, (B, longest) each. Returns a scalar."""
        if head_of(self.decoder) is None:
            found: Tensor = super().forward([damaged, whole], None)
            return found
        vectors = self.encoder(damaged)["sentence_embedding"]
        hidden = self.decoder.base_model(
            input_ids=whole["input_ids"][:, :-1],
            encoder_hidden_states=vectors[:, None],
            encoder_attention_mask=damaged["attention_mask"][:, :1],
            use_cache=False,
        )[0]
        labels = whole["input_ids"][:, 1:]
        places = labels != self.tokenizer_decoder.pad_token_id
        return word_loss(self.decoder, hidden[places], labels[places])


def _loss(job: Job) -> _Denoising:
    """Return the loss; its decoder starts as the checkpoint the encoder was opened from."""
    opened = job.encoder.transformers_model.config._name_or_path
    if not Path(opened).is_dir():
        raise InputError(
            "dapt.objective",
            f"an encoder opened from '{opened}'",
            "one opened from a folder, of which the decoder is made",
            "Save the encoder with save_checkpoint and open it with open_checkpoint",
        )
    torch.manual_seed(job.seed)  # cross-attention is new, the same whatever was drawn before
    return _Denoising(job.encoder, tie_encoder_decoder=True)


class _Batches:
    """Makes the features of a step's damaged and whole documents."""

    def __init__(self, job: Job, texts: Sequence[str]) -> None:
        self.job, self.texts = job, texts

    def __call__(self, rows: Sequence[int], step: int, first_slot: int = 0) -> Batch:
        settings, seed = self.job.settings, self.job.seed
        whole = [self.texts[row] for row in rows]
        damaged = [
            delete(text, settings.delete_share, stream(seed, "dapt", "delete", step, slot))
            for slot, text in enumerate(whole, first_slot)
        ]
        with token_limit(self.job.encoder, settings.max_length):
            return {
                "damaged": dict(self.job.encoder.preprocess(damaged)),
                "whole": dict(self.job.encoder.preprocess(whole)),
            }

    def tokens(self, rows: Sequence[int], step: int) -> int:
        """Return the tokens of a step's batch, damaged and whole."""
        batch = self(rows, step)
        return sum(int(features["attention_mask"].sum()) for features in batch.values())
