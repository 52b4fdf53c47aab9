"""The typed, frozen form of params.yaml. Every number that decides a result is a field here.

No field has a default: what decided a result has to stand in the file. `None` is allowed only
where a key makes no sense for the row it stands in (`cross_ratio` of a strategy that mixes
nothing). Ranges are inclusive; pydantic checks them, `polybatch.config` says where in the file.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

BATCH_KINDS = ("none", "en-en", "x-x", "mono", "x-y", "cross", "hybrid")
"""What `strategies.<name>.batches` may say; `polybatch.plans.KINDS` holds a row for each."""

OBJECTIVES = ("mlm", "crop", "tsdae")
"""What `dapt.objective` may say; `polybatch.adaptation.OBJECTIVES` holds a row for each."""

MEASURES = ("AP", "AP@k", "nDCG@k", "RR@k", "R@k")
"""What `evaluation.measures` may say, k being a cut-off such as 10."""

SAME_DATA = (frozenset({"xquad", "xquad-r"}), frozenset({"mlqa", "mlqa-r"}))
"""Sources that hold the same questions: training on one, nothing is measured on the other."""

_EXACT = ConfigDict(extra="forbid")


def _range(low: float, high: float) -> Any:
    return Field(ge=low, le=high)


def _one_of(words: tuple[str, ...]) -> Any:
    """Let editors propose these words; `config_rules` refuses others, code may add some."""
    return Field(json_schema_extra={"enum": list(words)})


def _no_repetition(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise PydanticCustomError("repeated", "a value stands twice")
    return values


_UNIQUE = (
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_no_repetition),
)
Share = Annotated[float, _range(0.0, 1.0)]
Rate = Annotated[float, _range(0.0, 1.0)]
Count = Annotated[int, _range(1, 10_000_000)]
Words = Annotated[tuple[str, ...], *_UNIQUE]


NO_FOLDER = "inputs/none"
"""What `folder` says where there are no files of one's own: DVC depends on a folder in any case."""


@dataclass(frozen=True, config=_EXACT)
class StudySettings:
    """The study as a whole. `baseline`: the strategy that differences refer to.

    `seeds`: every strategy is trained once with each. `threads`: of each stage's process; it
    decides bytes. `workers`: stages that a flow runs at the same time; it decides none.
    """

    name: str
    baseline: str
    focus: str
    seeds: Annotated[tuple[Annotated[int, _range(0, 2**32 - 1)], ...], *_UNIQUE]
    threads: Annotated[int, _range(1, 1024)]
    workers: Annotated[int, _range(1, 1024)]


@dataclasses.dataclass(frozen=True, order=True)
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


@dataclass(frozen=True, config=_EXACT)
class SourceSettings:
    """What to fetch of a source: languages (BCP-47) and splits, both by the source's own names.

    `folder`: where the user's own files are, inside `inputs/`; `inputs/none` for all other sources.
    `columns`: what their columns are called, `field=name` each (`polybatch.sources.local`).
    `revisions`: of a source on the hub, `owner/name=commit` each. `sample`: how much of a large
    one, documents or items a language, is taken beside what is judged; all where it is not said.
    """

    languages: Words
    splits: Words
    folder: str | None = None
    columns: Words | None = None
    revisions: Words | None = None
    sample: Annotated[int | None, _range(0, 100_000_000)] = None


@dataclass(frozen=True, config=_EXACT)
class DatasetSettings:
    """What a dataset takes from a source, and what for.

    `part`: `all`, or `train` / `heldout` of a split by group (article, territory): the share of
    groups `heldout_share` goes to `heldout`, no group is in both; documents that nobody asks for
    are searched in `heldout`. `use: text`: the corpus side
    alone, as domain text for `dapt.texts`.
    """

    source: str
    use: Literal["train", "evaluate", "text"]
    languages: Words
    splits: Words
    part: Literal["all", "train", "heldout"]
    heldout_share: Annotated[float, _range(0.0, 0.9)]


@dataclass(frozen=True, config=_EXACT)
class MinRows:
    """Queries, and documents, that a language needs: to train (or adapt) on, and to evaluate on."""

    train: Count
    evaluate: Count


@dataclass(frozen=True, config=_EXACT)
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
    near_duplicate: Annotated[float, _range(0.5, 1.0)]
    min_languages: Annotated[int, _range(1, 1000)]
    min_rows: MinRows | Count
    min_characters: Annotated[int, _range(1, 1000)]
    max_characters: Annotated[int, _range(1, 1_000_000)]
    max_rejected: Share
    max_duplicates: Share
    max_untranslated: Share
    max_cut_answers: Share
    min_script: Share
    min_identified: Share
    identified_rows: Count

    def least_rows(self, use: str) -> int:
        """Return `min_rows` of a dataset with this `use`."""
        if isinstance(self.min_rows, int):
            return self.min_rows
        return self.min_rows.evaluate if use == "evaluate" else self.min_rows.train


@dataclass(frozen=True, config=_EXACT)
class EncoderSettings:
    """The encoder that every strategy starts from; lengths in its own tokens, prompts included.

    `revision`: commit on the hub, empty for packages and folders. `pooling`: `as-saved` keeps what
    the checkpoint has (mean where it has none). Prompts stand before each text; empty for none.
    `folder`: the same as `name` where that is a folder, so that DVC sees when its files change;
    else `inputs/none`.
    """

    name: str
    revision: str
    pooling: Literal["as-saved", "mean", "cls"]
    query_prompt: str
    document_prompt: str
    query_length: Annotated[int, _range(4, 8192)]
    document_length: Annotated[int, _range(4, 8192)]
    batch_texts: Annotated[int, _range(1, 65536)]
    folder: str = NO_FOLDER

    def of(self, side: Literal["query", "document"]) -> tuple[int, str]:
        """Return length and prompt of one side, as encoding and counting take them."""
        if side == "query":
            return self.query_length, self.query_prompt
        return self.document_length, self.document_prompt


@dataclass(frozen=True, config=_EXACT)
class BatchSettings:
    """The budget that all trained strategies share, and how languages are drawn.

    `match_budget`: trained strategies that start from the base encoder get as many steps more as
    the adaptation of the others took (`dapt.steps`), so that all took equally many.
    `exposure`: `pairs` draws languages by their number of pairs, `equal` asks every language
    equally often in every strategy, `item` also gives all strategies the same items at the same
    steps (items in every language alone). `size_exponent` is of `pairs`.
    """

    steps: Count
    batch_pairs: Annotated[int, _range(2, 65536)]
    size_exponent: Share
    match_budget: bool
    exposure: Literal["pairs", "equal", "item"]


@dataclass(frozen=True, config=_EXACT)
class Strategy:
    """Where training starts and what its batches are (`batches`: a row of plans.KINDS)."""

    start: Literal["base", "dapt"]
    batches: Annotated[str, _one_of(BATCH_KINDS)]
    cross_ratio: Annotated[float | None, _range(0.0, 1.0)] = None


@dataclass(frozen=True, config=_EXACT)
class TrainingSettings:
    """InfoNCE over in-batch negatives; `temperature` divides the cosine.

    `cached_pairs`: 0, or the pairs that GradCache holds in memory at a time, for batches that
    would not fit; the gradient is the same. `fp16` needs a GPU.
    """

    precision: Literal["fp32", "bf16", "fp16"]
    learning_rate: Rate
    rows_learning_rate: Rate
    temperature: Annotated[float, _range(1e-4, 10.0)]
    warmup_share: Share
    max_grad_norm: Annotated[float, _range(1e-6, 1e6)]
    checkpoint_every: Count
    log_every: Count
    cached_pairs: Annotated[int, _range(0, 65536)]


@dataclass(frozen=True, config=_EXACT)
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

    objective: Annotated[str, _one_of(OBJECTIVES)]
    texts: Words
    transductive: bool
    mixed_batches: bool
    mlm_rows_only: bool
    precision: Literal["fp32", "bf16", "fp16"]
    rows_per_document: Annotated[int, _range(1, 1000)]
    heldout_share: Annotated[float, _range(0.0, 0.9)]
    steps: Count
    batch_texts: Annotated[int, _range(2, 65536)]
    size_exponent: Share
    max_length: Annotated[int, _range(8, 8192)]
    mask_share: Annotated[float, _range(0.01, 0.99)]
    crop_min_share: Annotated[float, _range(0.01, 1.0)]
    crop_max_share: Annotated[float, _range(0.01, 1.0)]
    delete_share: Annotated[float, _range(0.0, 0.99)]
    learning_rate: Rate
    rows_learning_rate: Rate
    temperature: Annotated[float, _range(1e-4, 10.0)]
    warmup_share: Share
    max_grad_norm: Annotated[float, _range(1e-6, 1e6)]
    checkpoint_every: Count
    log_every: Count
    cached_texts: Annotated[int, _range(0, 65536)]


@dataclass(frozen=True, config=_EXACT)
class EvaluationSettings:
    """Measures by their ir_measures names; `run_depth`: documents a query in the TREC runs.

    `resamples`: of the items, for intervals and p-values; `confidence`: of the intervals.
    """

    measures: Words
    run_depth: Annotated[int, _range(1, 1_000_000)]
    resamples: Annotated[int, _range(100, 1_000_000)]
    confidence: Annotated[float, _range(0.5, 0.999)]

    @property
    def headline(self) -> str:
        """The measure that tables begin with: AP, else the first."""
        return "AP" if "AP" in self.measures else self.measures[0]


@dataclass(frozen=True, config=_EXACT)
class FlowSettings:
    """How a flow runs the stages. None of this decides a result.

    `overlap`: what a second flow in one workspace does while the first one runs. `runner`: where
    train, index and evaluate run: processes here, or Ray's workers, which see the same folder.
    """

    overlap: Literal["wait", "skip"]
    network_retries: Annotated[int, _range(0, 100)]
    retry_seconds: Annotated[int, _range(0, 86_400)]
    stage_hours: Annotated[float, _range(0.0001, 10_000.0)]
    runner: Literal["local", "ray"]
    ray_address: str | None
    ray_gpus: Annotated[float, _range(0, 64)]


@dataclass(frozen=True, config=_EXACT)
class ScheduleSettings:
    """When the study runs by itself (`cron`: five fields), and the server's port on loopback."""

    cron: str
    timezone: str
    port: Annotated[int, _range(1, 65535)]


@dataclass(frozen=True, config=_EXACT)
class NotifySettings:
    """When to raise an alert: `measure`, in [0, 1], is more than `drop` below the last good one.

    Without `drop`: when it is below the last good one's interval (results/significance.csv).
    `webhook`: the URL that the alert is posted to as JSON, or null.
    """

    measure: str
    webhook: str | None
    drop: Annotated[float | None, _range(0.0, 1.0)]
