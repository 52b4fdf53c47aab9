"""The typed, frozen form of params.yaml. Every number that decides a result is a field here.

No field has a default: what decided a result has to stand in the file. `None` is allowed only
where a key makes no sense for the row it stands in (`cross_ratio` of a strategy that mixes
nothing). Ranges are inclusive and are checked by `polybatch.config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

BATCH_KINDS = ("none", "en-en", "x-x", "mono", "x-y", "cross", "hybrid")
"""What `strategies.<name>.batches` may say; `polybatch.plans.KINDS` holds a row for each."""

OBJECTIVES = ("mlm", "crop", "tsdae")
"""What `dapt.objective` may say; `polybatch.adaptation.OBJECTIVES` holds a row for each."""

MEASURES = ("AP", "AP@k", "nDCG@k", "RR@k", "R@k")
"""What `evaluation.measures` may say, k being a cut-off such as 10."""

SAME_DATA = (frozenset({"xquad", "xquad-r"}), frozenset({"mlqa", "mlqa-r"}))
"""Sources that hold the same questions: training on one, nothing is measured on the other."""


def _range(low: float, high: float) -> Any:
    return field(metadata={"range": (low, high)})


@dataclass(frozen=True)
class StudySettings:
    """The study as a whole. `baseline`: the strategy that differences refer to."""

    name: str
    baseline: str
    focus: str
    seed: int = _range(0, 2**32 - 1)
    threads: int = _range(1, 1024)


@dataclass(frozen=True)
class SourceSettings:
    """What to fetch of a source: languages (BCP-47) and splits, both by the source's own names.

    `folder`: where the user's files are, for the source `text` alone.
    """

    languages: tuple[str, ...]
    splits: tuple[str, ...]
    folder: str | None = None


@dataclass(frozen=True)
class DatasetSettings:
    """What a dataset takes from a source, and what for.

    `part`: `all`, or `train` / `heldout` of a split by group (article, territory): the share of
    groups `heldout_share` goes to `heldout`, no group is in both. `use: text`: the corpus side
    alone, as domain text for `dapt.texts`.
    """

    source: str
    use: Literal["train", "evaluate", "text"]
    languages: tuple[str, ...]
    splits: tuple[str, ...]
    part: Literal["all", "train", "heldout"]
    heldout_share: float = _range(0.0, 0.9)


@dataclass(frozen=True)
class EncoderSettings:
    """The encoder that every strategy starts from; lengths in its own tokens."""

    name: str
    query_length: int = _range(4, 8192)
    document_length: int = _range(4, 8192)
    batch_texts: int = _range(1, 65536)


@dataclass(frozen=True)
class BatchSettings:
    """The budget that all trained strategies share, and how languages are drawn."""

    steps: int = _range(1, 10_000_000)
    batch_pairs: int = _range(2, 65536)
    size_exponent: float = _range(0.0, 1.0)


@dataclass(frozen=True)
class Strategy:
    """Where training starts and what its batches are (`batches`: a row of plans.KINDS)."""

    start: Literal["base", "dapt"]
    batches: str
    cross_ratio: float | None = field(default=None, metadata={"range": (0.0, 1.0)})


@dataclass(frozen=True)
class TrainingSettings:
    """InfoNCE over in-batch negatives; `temperature` divides the cosine."""

    learning_rate: float = _range(0.0, 1.0)
    rows_learning_rate: float = _range(0.0, 1.0)
    temperature: float = _range(1e-4, 10.0)
    warmup_share: float = _range(0.0, 1.0)
    max_grad_norm: float = _range(1e-6, 1e6)
    checkpoint_every: int = _range(1, 10_000_000)
    log_every: int = _range(1, 10_000_000)


@dataclass(frozen=True)
class AdaptationSettings:
    """Domain-adaptive pre-training: what, on which text, for how long.

    What each objective alone looks at (the others ignore it): `mlm`: mask_share, mlm_rows_only
    (predict only tokens that occur in the domain text: less memory, another loss). `crop`:
    temperature, crop_min_share and crop_max_share (of a document's words, for a span of it),
    rows_learning_rate (of encoders that train only the embedding rows that occur). `tsdae`:
    delete_share (of a document's words).

    `texts`: datasets whose corpus side is the domain text; that of an evaluation dataset only
    where `transductive` says so. `rows_per_document`: how many neighbouring rows of one group
    (article) make a document, at most. `mixed_batches`: languages mixed inside a batch, or one a
    batch. `heldout_share`: of the groups, for the perplexity of `mlm`. `batch_texts`: documents a
    step (`mlm`: packed sequences). `max_length`: tokens of a span, document or sequence.
    """

    objective: str
    texts: tuple[str, ...]
    transductive: bool
    mixed_batches: bool
    mlm_rows_only: bool
    rows_per_document: int = _range(1, 1000)
    heldout_share: float = _range(0.0, 0.9)
    steps: int = _range(1, 10_000_000)
    batch_texts: int = _range(2, 65536)
    size_exponent: float = _range(0.0, 1.0)
    max_length: int = _range(8, 8192)
    mask_share: float = _range(0.01, 0.99)
    crop_min_share: float = _range(0.01, 1.0)
    crop_max_share: float = _range(0.01, 1.0)
    delete_share: float = _range(0.0, 0.99)
    learning_rate: float = _range(0.0, 1.0)
    rows_learning_rate: float = _range(0.0, 1.0)
    temperature: float = _range(1e-4, 10.0)
    warmup_share: float = _range(0.0, 1.0)
    max_grad_norm: float = _range(1e-6, 1e6)
    checkpoint_every: int = _range(1, 10_000_000)
    log_every: int = _range(1, 10_000_000)


@dataclass(frozen=True)
class EvaluationSettings:
    """Measures by their ir_measures names; `run_depth`: documents a query in the TREC runs.

    `resamples`: of the items, for intervals and p-values; `confidence`: of the intervals.
    """

    measures: tuple[str, ...]
    run_depth: int = _range(1, 1_000_000)
    resamples: int = _range(100, 1_000_000)
    confidence: float = _range(0.5, 0.999)
