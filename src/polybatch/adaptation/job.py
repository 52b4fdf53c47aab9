"""What every objective is given, and what it hands back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from sentence_transformers import SentenceTransformer

from polybatch.adaptation.corpus import DomainText
from polybatch.batches.pairs import Int64
from polybatch.settings.adaptation import AdaptationSettings
from polybatch.settings.encoder import EncoderSettings


@dataclass(frozen=True)
class Job:
    """An adaptation to do: `encoder` is trained in place.

    `work` keeps checkpoints, so that a killed adaptation goes on; `curves` gets the log. `version`:
    of the stage's results, as other code may not go on with its checkpoints.
    """

    encoder: SentenceTransformer
    texts: DomainText
    settings: AdaptationSettings
    lengths: EncoderSettings
    seed: int
    work: Path
    curves: Path
    version: int = 0


@dataclass(frozen=True)
class AdaptationSummary:
    """What was spent and what came of it; the same for the same parameters (no seconds in it).

    `texts`, `distinct_texts`, `languages`: documents (mlm: packed sequences) of all steps, those
    that differ, and their number per language. `removed_texts`: rows that an evaluation dataset
    has; `repeated_texts`: rows that stand twice; `short_texts`: documents too short for the
    objective. `trained_rows`: of the embedding table. Perplexities: of `mlm`, on held-out text,
    None where none is held out. `notes`: what a reader of the results should know.
    """

    objective: str
    steps: int
    texts: int
    distinct_texts: int
    tokens: int
    trained_rows: int
    first_loss: float | None
    last_loss: float | None
    perplexity_before: float | None
    perplexity_after: float | None
    heldout_texts: int
    removed_texts: int
    repeated_texts: int
    short_texts: int
    languages: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What only the objective knows of its summary. `plan`: rows of `langs` (N,), (S, B)."""

    plan: Int64
    langs: list[str]
    tokens: int
    trained_rows: int
    losses: tuple[float, float]
    perplexities: tuple[float | None, float | None] = (None, None)
    short_texts: int = 0
    notes: tuple[str, ...] = ()


def summary(job: Job, outcome: Outcome) -> AdaptationSummary:
    """Return the summary of a finished job."""
    rows = outcome.plan.ravel().tolist()
    notes = list(outcome.notes)
    if job.settings.transductive:
        notes.append("transductive: the domain text may hold documents that evaluation searches")
    return AdaptationSummary(
        objective=job.settings.objective,
        steps=len(outcome.plan),
        texts=len(rows),
        distinct_texts=len(set(rows)),
        tokens=outcome.tokens,
        trained_rows=outcome.trained_rows,
        first_loss=outcome.losses[0],
        last_loss=outcome.losses[1],
        perplexity_before=outcome.perplexities[0],
        perplexity_after=outcome.perplexities[1],
        heldout_texts=job.texts.heldout.height,
        removed_texts=job.texts.removed,
        repeated_texts=job.texts.repeated,
        short_texts=outcome.short_texts,
        languages=dict(sorted(Counter(outcome.langs[row] for row in rows).items())),
        notes=tuple(notes),
    )


def keys_of(documents: pl.DataFrame, mixed: bool) -> list[str]:
    """Return what no two documents of a batch may share.

    In a batch of several languages that is the group, or a translation of a document, or another
    answer to its question, would be its negative; in one of a single language the document itself.

    Example:
        >>> documents = pl.DataFrame({"document_id": ["a:en", "a:sw"], "group": ["a", "a"]})
        >>> keys_of(documents, mixed=True), keys_of(documents, mixed=False)
        (['a', 'a'], ['a:en', 'a:sw'])
    """
    return documents["group" if mixed else "document_id"].to_list()
