"""Domain-adaptive pre-training (Gururangan et al., arXiv 2004.10964), the objective by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sentence_transformers import SentenceTransformer

from polybatch.adaptation.crop import adapt_by_crops, can_crop
from polybatch.adaptation.job import AdaptationSummary, Job, Outcome, summary
from polybatch.adaptation.mlm import adapt_by_masks, can_mask
from polybatch.adaptation.tsdae import adapt_by_denoising, can_denoise
from polybatch.core.errors import InputError
from polybatch.encoders.hub import check_positions
from polybatch.encoders.loading import enough_memory
from polybatch.training.machine import (
    check_machine,
    check_shares,
    join_processes,
    share_one_heap,
)


@dataclass(frozen=True)
class Objective:
    """A row of OBJECTIVES. `can`: whether an encoder can do it; `run`: trains it in place."""

    can: Callable[[SentenceTransformer], bool]
    run: Callable[[Job], Outcome]


OBJECTIVES = {
    "mlm": Objective(can_mask, adapt_by_masks),
    "crop": Objective(can_crop, adapt_by_crops),
    "tsdae": Objective(can_denoise, adapt_by_denoising),
}
"""What `dapt.objective` may say; `settings.OBJECTIVES` has the same names."""


def possible(encoder: SentenceTransformer) -> list[str]:
    """Return the objectives that an encoder can do."""
    return [name for name, objective in OBJECTIVES.items() if objective.can(encoder)]


def adapt(job: Job) -> AdaptationSummary:
    """Adapt the job's encoder in place and return what was spent and what came of it.

    A later call with an equal job goes on from the last whole checkpoint in `job.work` and ends
    with the same weights. InputError when the encoder cannot do the objective, has no positions
    for `max_length`, when a batch cannot be filled, or when a loss is not finite (with the step and
    the batch's texts).
    """
    name = job.settings.objective
    if name not in (can := possible(job.encoder)):
        raise InputError(
            "dapt.objective",
            f"'{name}', which {job.lengths.name} cannot do",
            f"one of {', '.join(can)}",
            "Choose one, or another encoder",
        )
    check_positions(job.encoder, job.lengths.name, {"dapt.max_length": job.settings.max_length})
    if job.encoder.transformers_model is not None:
        share_one_heap()
    join_processes()
    check_machine(job.settings.precision, "dapt.precision")
    check_shares(job.settings.batch_texts, "dapt.batch_texts")
    with enough_memory("dapt", "Lower batch_texts or max_length, or end other programs"):
        return summary(job, OBJECTIVES[name].run(job))
