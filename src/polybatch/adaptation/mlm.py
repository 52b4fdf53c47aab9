"""Masked language modelling on packed documents (BERT, RoBERTa and their kin).

The language model shares the sentence encoder's transformer; its head is that of the checkpoint
params name, where that has one, or a new one, which is trained alone first. After training the
transformer's weights go back; the encoder's pooling and whatever follows it are not touched.

With `mlm_rows_only` the model has a vocabulary of only the tokens that occur in the domain text:
output layer, random replacements and optimiser state shrink with it, and the loss is another one,
as tokens that occur nowhere need not be distinguished from the right one.

Letters: B sequences a batch, L tokens of the longest.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM

from polybatch.adaptation.corpus import plan_texts
from polybatch.adaptation.job import Job, Outcome
from polybatch.adaptation.mlm_head import STEPS, given_head, set_frequencies, warm_up
from polybatch.adaptation.noise import IGNORED, mask, pack
from polybatch.adaptation.trainer import Batch, Steps, follow
from polybatch.adaptation.word_loss import head_of, word_loss
from polybatch.batches.pairs import Int64
from polybatch.core.errors import InputError
from polybatch.core.randomness import stream
from polybatch.training.machine import device


def can_mask(encoder: SentenceTransformer) -> bool:
    """Return whether the encoder is a transformer with a masked language model of its kind."""
    transformer = encoder.transformers_model
    return (
        transformer is not None
        and type(transformer.config) in MODEL_FOR_MASKED_LM_MAPPING
        and encoder.tokenizer.mask_token_id is not None
    )


def adapt_by_masks(job: Job) -> Outcome:
    """Adapt on masked sequences; perplexities are those of the held-out ones, before and after."""
    packed, langs = _packed(job)
    heldout, _ = _sequences(job, heldout=True)
    rows = _rows(job, [*packed, *heldout])
    places = torch.full((_vocabulary(job.encoder),), -1)
    places[rows] = torch.arange(len(rows))
    compact = [places[torch.tensor(each)].numpy() for each in packed]
    model, head = _language_model(job, rows)
    model.to(device())  # the warm-up and the first perplexity are work, too
    masker = _Masker(job, places, len(rows))
    plan = plan_texts(langs, None, job.settings, job.seed)
    held = [places[torch.tensor(each)].numpy() for each in heldout]
    if head == "new":
        set_frequencies(model.model, compact)
        warm_up(
            model,
            model.base,
            lambda step: masker(
                [compact[row] for row in plan[step % len(plan)].tolist()], "head", step
            ),
            job.settings.precision,
        )
    before = _perplexity(model, masker, held, job)
    steps = Steps(
        plan,
        [" ".join(map(str, each)) for each in packed],
        lambda step, slots: masker(
            [compact[row] for row in plan[step, slots].tolist()], "mask", step, slots.start
        ),
        lambda batch: int((batch["labels"] != IGNORED).sum()),
        lambda step: [_shown(job.encoder, packed[row]) for row in plan[step].tolist()],
    )
    losses = follow(job, model, steps)
    after = _perplexity(model, masker, held, job)
    _put_back(job.encoder, model, rows)
    tokens = sum(len(packed[row]) for row in plan.ravel().tolist())
    return Outcome(
        plan, langs, tokens, len(rows), losses, (before, after), notes=_notes(job, head, len(rows))
    )


def _packed(job: Job) -> tuple[list[list[int]], list[str]]:
    packed, langs = _sequences(job, heldout=False)
    if not packed:
        raise InputError("dapt.texts", "no token", "text that the encoder can read", "Add text")
    return packed, langs


def _sequences(job: Job, heldout: bool) -> tuple[list[list[int]], list[str]]:
    """Return packed documents with begin and end tokens, and the language of each sequence."""
    tokenizer = job.encoder.tokenizer
    begin, end = _ends(tokenizer)
    documents = job.texts.heldout if heldout else job.texts.documents
    found: list[list[int]] = []
    langs: list[str] = []
    for (lang,), some in documents.group_by("lang", maintain_order=True):
        texts = some["text"].to_list()
        ids = tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)
        packed = pack(ids["input_ids"], job.settings.max_length - 2, end)
        found += [[begin, *each, end] for each in packed]
        langs += [str(lang)] * len(packed)
    return found, langs


def _ends(tokenizer: Any) -> tuple[int, int]:
    begin = tokenizer.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id
    end = tokenizer.eos_token_id if tokenizer.sep_token_id is None else tokenizer.sep_token_id
    return int(begin), int(end)


def _rows(job: Job, sequences: Sequence[Sequence[int]]) -> Tensor:
    """Return the token ids of the model's vocabulary, sorted: all, or those that occur.

    Ids up to the padding's are kept where they are, as RoBERTa counts positions from it.
    """
    vocabulary = _vocabulary(job.encoder)
    if not job.settings.mlm_rows_only:
        return torch.arange(vocabulary)
    tokenizer = job.encoder.tokenizer
    used = set(range(tokenizer.pad_token_id + 1)) | set(tokenizer.all_special_ids)
    for sequence in sequences:
        used.update(sequence)
    return torch.tensor(sorted(used))


def _vocabulary(encoder: SentenceTransformer) -> int:
    return len(encoder.transformers_model.get_input_embeddings().weight)


class _LanguageModel(nn.Module):
    """A masked language model whose output layer runs on the masked places only."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    @property
    def base(self) -> nn.Module:
        """The transformer without the head."""
        found: nn.Module = getattr(self.model, self.model.base_model_prefix)
        return found

    def forward(self, labels: Tensor, **inputs: Tensor) -> Tensor:
        """Labels and inputs: (B, L). Returns the mean loss of the masked places, a scalar."""
        places = labels != IGNORED
        if head_of(self.model) is None:
            logits = self.model(**inputs).logits[places]
            return F.cross_entropy(logits.float(), labels[places])
        return word_loss(self.model, self.base(**inputs)[0][places], labels[places])


def _language_model(job: Job, rows: Tensor) -> tuple[_LanguageModel, str]:
    """Return the model with the encoder's weights, and where its head comes from."""
    transformer = job.encoder.transformers_model
    config = copy.deepcopy(transformer.config)
    config.vocab_size = len(rows)
    torch.manual_seed(job.seed)  # a new head is the same whatever was drawn before
    model = AutoModelForMaskedLM.from_config(config)
    module = _LanguageModel(model)
    head = given_head(job, model, rows)
    table = _table_name(transformer)
    state = dict(transformer.state_dict())
    state[table] = state[table][rows]
    there = set(module.base.state_dict())
    assert there <= set(state), "a language model with more than its transformer and a head"
    module.base.load_state_dict({name: state[name] for name in there})
    model.tie_weights()
    return module, head


def _table_name(transformer: Any) -> str:
    table = transformer.get_input_embeddings()
    return next(f"{name}.weight" for name, module in transformer.named_modules() if module is table)


def _put_back(encoder: SentenceTransformer, module: _LanguageModel, rows: Tensor) -> None:
    transformer = encoder.transformers_model
    table, state = _table_name(transformer), transformer.state_dict()
    with torch.no_grad():
        for name, value in module.base.state_dict().items():
            if name == table:
                state[name][rows.to(state[name].device)] = value.to(state[name].device)
            else:
                state[name].copy_(value)


class _Masker:
    """Makes batches of sequences in the model's vocabulary, masked by named chance."""

    def __init__(self, job: Job, places: Tensor, vocabulary: int) -> None:
        tokenizer = job.encoder.tokenizer
        self.share, self.seed = job.settings.mask_share, job.seed
        self.special = places[torch.tensor(tokenizer.all_special_ids)].numpy()
        self.names = int(places[tokenizer.mask_token_id]), vocabulary
        self.pad = int(places[tokenizer.pad_token_id])

    def __call__(
        self, sequences: Sequence[Int64], use: str, step: int, first_slot: int = 0
    ) -> Batch:
        """Return input_ids, attention_mask and labels, each (B, L)."""
        longest = max(map(len, sequences))
        ids = np.full((len(sequences), longest), self.pad, np.int64)
        labels = np.full_like(ids, IGNORED)
        seen = np.zeros_like(ids)
        for slot, sequence in enumerate(sequences):
            chance = stream(self.seed, "dapt", use, step, first_slot + slot)
            masked = mask(sequence, self.special, self.share, self.names, chance)
            ids[slot, : len(sequence)], labels[slot, : len(sequence)] = masked
            seen[slot, : len(sequence)] = 1
        arrays = {"input_ids": ids, "attention_mask": seen, "labels": labels}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _perplexity(
    module: _LanguageModel, masker: _Masker, sequences: Sequence[Int64], job: Job
) -> float | None:
    """Return exp of the mean loss of masked places, always the same ones; None of no sequence."""
    if not sequences:
        return None
    module.eval()
    total, count = 0.0, 0
    place = next(module.parameters()).device
    for first in range(0, len(sequences), job.settings.batch_texts):
        some = sequences[first : first + job.settings.batch_texts]
        batch = {name: value.to(place) for name, value in masker(some, "heldout", first).items()}
        places = int((batch["labels"] != IGNORED).sum())
        if places:
            with torch.no_grad():
                total += float(module(**batch)) * places
            count += places
    return math.exp(total / count) if count else None


def _shown(encoder: SentenceTransformer, ids: Sequence[int]) -> str:
    return repr(str(encoder.tokenizer.decode(ids[:24], skip_special_tokens=True)))


def _notes(job: Job, head: str, rows: int) -> tuple[str, ...]:
    new = f"a new one, trained alone for {STEPS} steps before all else"
    notes = [f"mlm: the output layer is {new if head == 'new' else f'that of {head}'}"]
    if job.settings.mlm_rows_only:
        notes.append(
            f"mlm_rows_only: predicts among the {rows} tokens that occur, of"
            f" {_vocabulary(job.encoder)}; loss and perplexity are lower than with all of them"
        )
    return tuple(notes)
