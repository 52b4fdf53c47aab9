"""Contrastive cropping: two spans of a document find each other among those of the batch.

Contriever's objective (Izacard et al., arXiv 2112.09118) without its queue: InfoNCE over in-batch
negatives. It needs nothing from the encoder but vectors, and runs through
`polybatch.training.contrastive`, so rows, checkpoints, curves and
resuming are those of every other training.
"""

from __future__ import annotations

import re
from typing import NoReturn

import polars as pl
from sentence_transformers import SentenceTransformer

from polybatch.adaptation.corpus import plan_texts
from polybatch.adaptation.job import Job, Outcome, keys_of
from polybatch.adaptation.noise import crop, pieces
from polybatch.batches.pairs import Int64
from polybatch.core.errors import DivergedError, InputError
from polybatch.core.randomness import stream
from polybatch.settings.adaptation import AdaptationSettings
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.training import TrainingSettings
from polybatch.training.contrastive import Plan, train

_SHORTEST = 4  # pieces of a document: of fewer, two spans are the same or have nothing in common


def can_crop(encoder: SentenceTransformer) -> bool:
    """Return whether the encoder can be adapted on crops: every one can."""
    return True


def adapt_by_crops(job: Job) -> Outcome:
    """Adapt on pairs of spans; InputError with step and documents when a loss is not finite."""
    documents = job.texts.documents
    long_enough = [len(pieces(text)) >= _SHORTEST for text in documents["text"]]
    used = documents.filter(pl.Series(long_enough, dtype=pl.Boolean))
    if used.is_empty():
        raise InputError(
            "dapt.texts",
            f"no document of {_SHORTEST} words or more",
            "documents of which two spans can be cut",
            "Raise dapt.rows_per_document, or add text",
        )
    langs, settings = used["lang"].to_list(), job.settings
    plan = plan_texts(langs, keys_of(used, settings.mixed_batches), settings, job.seed)
    spans = crops(used["text"].to_list(), plan, settings, job.seed)
    lengths = EncoderSettings(**vars(job.lengths) | dict.fromkeys(_LENGTHS, settings.max_length))
    followed = Plan("dapt", spans, settings.batch_texts)
    try:
        places = (job.work, job.curves, job.version)
        summary = train(job.encoder, followed, _training(settings), lengths, job.seed, *places)
    except InputError as error:
        _raise_with_texts(error, plan, used["document_id"].to_list())
    assert summary.first_loss is not None
    assert summary.last_loss is not None
    return Outcome(
        plan,
        langs,
        summary.query_tokens + summary.document_tokens,
        summary.trained_rows,
        (summary.first_loss, summary.last_loss),
        short_texts=documents.height - used.height,
    )


def crops(texts: list[str], plan: Int64, settings: AdaptationSettings, seed: int) -> pl.DataFrame:
    """Return step, slot and two spans (query_text, doc_text) of every planned text.

    Example:
        >>> import numpy as np, types
        >>> half = types.SimpleNamespace(crop_min_share=0.5, crop_max_share=0.5)
        >>> step, slot, *spans = crops(["a b c d"], np.array([[0]]), half, seed=0).row(0)
        >>> step, slot, [len(span.split()) for span in spans]
        (0, 0, [2, 2])
    """
    rows = []
    for step, batch in enumerate(plan.tolist()):
        for slot, row in enumerate(batch):
            chance = stream(seed, "dapt", "crop", step, slot)
            pair = (
                crop(texts[row], settings.crop_min_share, settings.crop_max_share, chance)
                for _ in range(2)
            )
            rows.append((step, slot, *pair))
    columns = ["step", "slot", "query_text", "doc_text"]
    return pl.DataFrame(rows, schema=columns, orient="row")


_LENGTHS = ("query_length", "document_length")


def _training(settings: AdaptationSettings) -> TrainingSettings:
    return TrainingSettings(
        learning_rate=settings.learning_rate,
        rows_learning_rate=settings.rows_learning_rate,
        temperature=settings.temperature,
        warmup_share=settings.warmup_share,
        max_grad_norm=settings.max_grad_norm,
        checkpoint_every=settings.checkpoint_every,
        log_every=settings.log_every,
        cached_pairs=settings.cached_texts,
        grouped_texts=0,
        precision=settings.precision,
    )


def _raise_with_texts(error: InputError, plan: Int64, ids: list[str]) -> NoReturn:
    """Raise a training's error again with the step's documents and the key in `dapt`."""
    found = re.search(r"step (\d+)", error.where)
    if found is None:
        raise error
    batch = [ids[row] for row in plan[int(found[1])].tolist()]
    raise not_finite(int(found[1]), error.found, batch) from error


def not_finite(step: int, found: str, batch: list[str]) -> DivergedError:
    """Return the error of a loss that is no number.

    Example:
        >>> print(not_finite(7, "the loss nan", ["faq:1", "faq:2"]))
        dapt, step 7: found the loss nan on the batch faq:1, faq:2, expected a finite loss. ...
    """
    return DivergedError(
        f"dapt, step {step}",
        f"{found} on the batch {', '.join(batch)}",
        "a finite loss",
        "Lower dapt.learning_rate, or check these texts; the checkpoint before is kept",
    )
