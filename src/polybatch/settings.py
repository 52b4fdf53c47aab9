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

MEASURES = ("AP", "AP@k", "nDCG@k", "RR@k", "R@k")
"""What `evaluation.measures` may say, k being a cut-off such as 10."""

SAME_DATA = (frozenset({"xquad", "xquad-r"}), frozenset({"mlqa", "mlqa-r"}))
"""Sources that hold the same questions: training on one, nothing is measured on the other."""


def _range(low: float, high: float) -> Any:
    return field(metadata={"range": (low, high)})


@dataclass(frozen=True)
class StudySettings:
    """The study as a whole. `baseline`: the strategy that differences refer to.

    `threads`: of each stage's process; it decides bytes. `workers`: stages that a flow runs at
    the same time; it decides none.
    """

    name: str
    baseline: str
    focus: str
    seed: int = _range(0, 2**32 - 1)
    threads: int = _range(1, 1024)
    workers: int = _range(1, 1024)


@dataclass(frozen=True)
class SourceSettings:
    """What to fetch of a source: languages (BCP-47) and splits, both by the source's own names."""

    languages: tuple[str, ...]
    splits: tuple[str, ...]


@dataclass(frozen=True)
class DatasetSettings:
    """What a dataset takes from a source, and what for.

    `part`: `all`, or `train` / `heldout` of a split by group (article, territory): the share of
    groups `heldout_share` goes to `heldout`, no group is in both.
    """

    source: str
    use: Literal["train", "evaluate"]
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

    start: Literal["base"]
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
class EvaluationSettings:
    """Measures by their ir_measures names; `run_depth`: documents a query in the TREC runs."""

    measures: tuple[str, ...]
    run_depth: int = _range(1, 1_000_000)


@dataclass(frozen=True)
class FlowSettings:
    """How a flow runs the stages. None of this decides a result.

    `overlap`: what a second flow in one workspace does while the first one runs.
    """

    overlap: Literal["wait", "skip"]
    network_retries: int = _range(0, 100)
    retry_seconds: int = _range(0, 86_400)
    stage_hours: float = _range(0.0001, 10_000.0)


@dataclass(frozen=True)
class ScheduleSettings:
    """When the study runs by itself (`cron`: five fields), and the server's port on loopback."""

    cron: str
    timezone: str
    port: int = _range(1, 65535)


@dataclass(frozen=True)
class NotifySettings:
    """When to raise an alert: `measure`, in [0, 1], is more than `drop` below the last good one.

    `webhook`: the URL that the alert is posted to as JSON, or null.
    """

    measure: str
    webhook: str | None
    drop: float = _range(0.0, 1.0)
