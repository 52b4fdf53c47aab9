"""The section `study` of params.yaml, and what is trained with each seed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from pydantic.dataclasses import dataclass

from polybatch.settings.types import (
    EXACT,
    UNIQUE,
    in_range,
)


@dataclass(frozen=True, config=EXACT)
class StudySettings:
    """The study as a whole. `baseline`: the strategy that differences refer to.

    `seeds`: every strategy is trained once with each. `threads`: of each stage's process; it
    decides bytes. `workers`: stages that a flow runs at the same time; it decides none.
    `tuned`: the tuning whose values strategies take from tuned.yaml; none where it is left out.
    """

    name: str
    baseline: str
    focus: str
    seeds: Annotated[tuple[Annotated[int, in_range(0, 2**32 - 1)], ...], *UNIQUE]
    threads: Annotated[int, in_range(1, 1024)]
    workers: Annotated[int, in_range(1, 1024)]
    tuned: str | None = None


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
