"""The typed, frozen form of params.yaml. Every number that decides a result is a field here.

No field has a default: what decided a result has to stand in the file. `None` is allowed only
where a key makes no sense for the row it stands in (`cross_ratio` of a strategy that mixes
nothing). Ranges are inclusive and are checked by `polybatch.config`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

BATCH_KINDS = ("none", "en-en", "x-x", "mono", "x-y", "cross", "hybrid")
"""What `strategies.<name>.batches` may say; `polybatch.plans.KINDS` holds a row for each."""

OBJECTIVES = ("mlm", "crop", "tsdae")
"""What `dapt.objective` may say; `polybatch.adaptation.OBJECTIVES` holds a row for each."""

MEASURES = ("AP", "AP@k", "nDCG@k", "RR@k", "R@k")
"""What `evaluation.measures` may say, k being a cut-off such as 10."""

SAME_DATA = (frozenset({"xquad", "xquad-r"}), frozenset({"mlqa", "mlqa-r"}))
"""Sources that hold the same questions: training on one, nothing is measured on the other."""

PACKAGED_ENCODERS = ("use-multilingual",)
"""Encoders whose weights come with a package: no revision, no pooling to choose."""

HUB_NAMES = {
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "xlm-roberta-large": "FacebookAI/xlm-roberta-large",
}
"""Short names of `encoder.name`; any other `owner/name` is the hub's own name."""

PROMPTS = {
    f"multilingual-e5-{kind}": ("query: ", "passage: ") for kind in ("small", "base", "large")
}
"""Encoders trained with a prompt before each query and document, by the last part of a name."""

_COMMIT = re.compile("[0-9a-f]{40}")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def _range(low: float, high: float) -> Any:
    return field(metadata={"range": (low, high)})


@dataclass(frozen=True)
class StudySettings:
    """The study as a whole. `baseline`: the strategy that differences refer to.

    `seeds`: every strategy is trained once with each. `threads`: of each stage's process; it
    decides bytes. `workers`: stages that a flow runs at the same time; it decides none.
    """

    name: str
    baseline: str
    focus: str
    seeds: tuple[int, ...] = _range(0, 2**32 - 1)
    threads: int = _range(1, 1024)
    workers: int = _range(1, 1024)


@dataclass(frozen=True, order=True)
class Trial:
    """A strategy trained with one seed. DVC names its stages, and files stand, after it.

    Example:
        >>> trial = Trial("hybrid", 0)
        >>> str(trial), trial.path.as_posix()
        ('hybrid-0', 'hybrid/0')
    """

    strategy: str
    seed: int

    def __str__(self) -> str:
        return f"{self.strategy}-{self.seed}"

    @property
    def path(self) -> Path:
        """Where the trial's files stand below models, data/index, results/metrics, ..."""
        return Path(self.strategy) / str(self.seed)


@dataclass(frozen=True)
class SourceSettings:
    """What to fetch of a source: languages (BCP-47) and splits, both by the source's own names.

    `folder`: where the user's own files are, inside `inputs/`; only sources of one's own take it.
    `columns`: what their columns are called, `field=name` each (`polybatch.sources.local`).
    `revisions`: of a source on the hub, `owner/name=commit` each. `sample`: how much of a large
    one, documents or items a language, is taken beside what is judged; all where it is not said.
    """

    languages: tuple[str, ...]
    splits: tuple[str, ...]
    folder: str | None = None
    columns: tuple[str, ...] | None = None
    revisions: tuple[str, ...] | None = None
    sample: int | None = field(default=None, metadata={"range": (0, 100_000_000)})


@dataclass(frozen=True)
class DatasetSettings:
    """What a dataset takes from a source, and what for.

    `part`: `all`, or `train` / `heldout` of a split by group (article, territory): the share of
    groups `heldout_share` goes to `heldout`, no group is in both; documents that nobody asks for
    are searched in `heldout`. `use: text`: the corpus side
    alone, as domain text for `dapt.texts`.
    """

    source: str
    use: Literal["train", "evaluate", "text"]
    languages: tuple[str, ...]
    splits: tuple[str, ...]
    part: Literal["all", "train", "heldout"]
    heldout_share: float = _range(0.0, 0.9)


@dataclass(frozen=True)
class MinRows:
    """Queries, and documents, that a language needs: to train (or adapt) on, and to evaluate on."""

    train: int = _range(1, 10_000_000)
    evaluate: int = _range(1, 10_000_000)


@dataclass(frozen=True)
class ValidationSettings:
    """What data has to be before anything is trained or measured on it.

    `leakage`: what happens to training items whose text stands in an evaluation dataset.
    `near_duplicate`: from which share of common character trigrams (Jaccard) on two texts count as
    the same one; 1 looks for equal texts only. `min_languages`: an item in fewer is rejected.
    `min_rows`: queries, and documents, a language needs; one number for all uses, or `train` and
    `evaluate` apart. `min_characters`, `max_characters`: of a
    text; a row outside is rejected. Shares are of a language's rows in one table: rejected ones,
    texts that stand twice, texts that stand in another language of their item, answers that their
    document does not hold whole (where a publisher marks answers), texts in the language's script,
    texts that language identification agrees on (`identified_rows` are asked).
    """

    leakage: Literal["remove", "fail", "report"]
    near_duplicate: float = _range(0.5, 1.0)
    min_languages: int = _range(1, 1000)
    min_rows: MinRows | int = _range(1, 10_000_000)  # noqa: RUF009
    min_characters: int = _range(1, 1000)
    max_characters: int = _range(1, 1_000_000)
    max_rejected: float = _range(0.0, 1.0)
    max_duplicates: float = _range(0.0, 1.0)
    max_untranslated: float = _range(0.0, 1.0)
    max_cut_answers: float = _range(0.0, 1.0)
    min_script: float = _range(0.0, 1.0)
    min_identified: float = _range(0.0, 1.0)
    identified_rows: int = _range(1, 10_000_000)

    def least_rows(self, use: str) -> int:
        """Return `min_rows` of a dataset with this `use`."""
        if isinstance(self.min_rows, int):
            return self.min_rows
        return self.min_rows.evaluate if use == "evaluate" else self.min_rows.train


@dataclass(frozen=True)
class EncoderSettings:
    """The encoder that every strategy starts from; lengths in its own tokens, prompts included.

    `revision`: commit on the hub, empty for packages and folders. `pooling`: `as-saved` keeps what
    the checkpoint has (mean where it has none). Prompts stand before each text; empty for none.
    """

    name: str
    revision: str
    pooling: Literal["as-saved", "mean", "cls"]
    query_prompt: str
    document_prompt: str
    query_length: int = _range(4, 8192)
    document_length: int = _range(4, 8192)
    batch_texts: int = _range(1, 65536)

    def of(self, side: Literal["query", "document"]) -> tuple[int, str]:
        """Return length and prompt of one side, as encoding and counting take them."""
        if side == "query":
            return self.query_length, self.query_prompt
        return self.document_length, self.document_prompt


@dataclass(frozen=True)
class BatchSettings:
    """The budget that all trained strategies share, and how languages are drawn.

    `match_budget`: trained strategies that start from the base encoder get as many steps more as
    the adaptation of the others took (`dapt.steps`), so that all took equally many.
    """

    steps: int = _range(1, 10_000_000)
    batch_pairs: int = _range(2, 65536)
    size_exponent: float = _range(0.0, 1.0)
    match_budget: bool = field(kw_only=True)


@dataclass(frozen=True)
class Strategy:
    """Where training starts and what its batches are (`batches`: a row of plans.KINDS)."""

    start: Literal["base", "dapt"]
    batches: str
    cross_ratio: float | None = field(default=None, metadata={"range": (0.0, 1.0)})


@dataclass(frozen=True)
class TrainingSettings:
    """InfoNCE over in-batch negatives; `temperature` divides the cosine.

    `cached_pairs`: 0, or the pairs that GradCache holds in memory at a time, for batches that
    would not fit; the gradient is the same. `fp16` needs a GPU.
    """

    precision: Literal["fp32", "bf16", "fp16"]
    learning_rate: float = _range(0.0, 1.0)
    rows_learning_rate: float = _range(0.0, 1.0)
    temperature: float = _range(1e-4, 10.0)
    warmup_share: float = _range(0.0, 1.0)
    max_grad_norm: float = _range(1e-6, 1e6)
    checkpoint_every: int = _range(1, 10_000_000)
    log_every: int = _range(1, 10_000_000)
    cached_pairs: int = _range(0, 65536)


@dataclass(frozen=True)
class AdaptationSettings:
    """Domain-adaptive pre-training: what, on which text, for how long.

    What each objective alone looks at (the others ignore it): `mlm`: mask_share, mlm_rows_only
    (predict only tokens that occur in the domain text: less memory, another loss). `crop`:
    temperature, crop_min_share and crop_max_share (of a document's words, for a span of it),
    rows_learning_rate (of encoders that train only the embedding rows that occur), cached_texts
    (as `training.cached_pairs`). `tsdae`: delete_share (of a document's words).

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
    precision: Literal["fp32", "bf16", "fp16"]
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
    cached_texts: int = _range(0, 65536)


@dataclass(frozen=True)
class EvaluationSettings:
    """Measures by their ir_measures names; `run_depth`: documents a query in the TREC runs.

    `resamples`: of the items, for intervals and p-values; `confidence`: of the intervals.
    """

    measures: tuple[str, ...]
    run_depth: int = _range(1, 1_000_000)
    resamples: int = _range(100, 1_000_000)
    confidence: float = _range(0.5, 0.999)

    @property
    def headline(self) -> str:
        """The measure that tables begin with: AP, else the first."""
        return "AP" if "AP" in self.measures else self.measures[0]


def is_hub_name(name: str) -> bool:
    """Return whether `encoder.name` names a repository on the hub: no folder here has its name.

    Example:
        >>> [is_hub_name(name) for name in ("xlm-roberta-base", "a/b", "use-multilingual", "./a")]
        [True, True, False, False]
    """
    return name in HUB_NAMES or (
        _HUB_NAME.fullmatch(name) is not None
        and not name.startswith(".")
        and not Path(name).is_dir()
    )


def encoder_mistakes(encoder: EncoderSettings) -> Iterator[tuple[str, str, str, str]]:
    """Yield (key, found, expected, what to do) of keys that contradict the encoder's name.

    Example:
        >>> bare = EncoderSettings("xlm-roberta-base", "", "as-saved", "", "", 64, 160, 32)
        >>> [key for key, *_ in encoder_mistakes(bare)]
        ['encoder.revision']
    """
    name, revision = encoder.name, encoder.revision
    if is_hub_name(name) and not _COMMIT.fullmatch(revision):
        yield (
            "encoder.revision",
            f"'{revision}'",
            f"the commit of {HUB_NAMES.get(name, name)} on the hub, 40 hexadecimal digits",
            "Copy it from the repository's list of commits",
        )
    elif not is_hub_name(name) and revision:
        yield (
            "encoder.revision",
            f"'{revision}'",
            f"'' (empty), as '{name}' is no name on the hub",
            "Write revision: '' (only hub names have commits), or correct encoder.name",
        )
    if name in PACKAGED_ENCODERS and encoder.pooling != "as-saved":
        yield ("encoder.pooling", encoder.pooling, f"as-saved for '{name}'", "Change it")
    for key, wanted in zip(("query", "document"), PROMPTS.get(Path(name).name, ()), strict=False):
        if not getattr(encoder, f"{key}_prompt"):
            yield (
                f"encoder.{key}_prompt",
                "'' (empty)",
                f"the prompt '{name}' was trained with",
                f"Write {key}_prompt: '{wanted}'",
            )


@dataclass(frozen=True)
class FlowSettings:
    """How a flow runs the stages. None of this decides a result.

    `overlap`: what a second flow in one workspace does while the first one runs. `runner`: where
    train, index and evaluate run: processes here, or Ray's workers, which see the same folder.
    """

    overlap: Literal["wait", "skip"]
    network_retries: int = _range(0, 100)
    retry_seconds: int = _range(0, 86_400)
    stage_hours: float = _range(0.0001, 10_000.0)
    runner: Literal["local", "ray"] = field(kw_only=True)
    ray_address: str | None = field(kw_only=True)
    ray_gpus: float = field(kw_only=True, metadata={"range": (0, 64)})


@dataclass(frozen=True)
class ScheduleSettings:
    """When the study runs by itself (`cron`: five fields), and the server's port on loopback."""

    cron: str
    timezone: str
    port: int = _range(1, 65535)


@dataclass(frozen=True)
class NotifySettings:
    """When to raise an alert: `measure`, in [0, 1], is more than `drop` below the last good one.

    Without `drop`: when it is below the last good one's interval (results/significance.csv).
    `webhook`: the URL that the alert is posted to as JSON, or null.
    """

    measure: str
    webhook: str | None
    drop: float | None = _range(0.0, 1.0)
