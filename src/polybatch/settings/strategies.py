"""What is compared: `strategies`, `merges`, `centred`, `lexical`, `fusions` and `external`.

Each row of these sections is an arm, a row of all tables; its name is in none of the others.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from polybatch.settings.training import TrainingChanges
from polybatch.settings.types import (
    EXACT,
    Share,
    in_range,
    one_of,
)

BATCH_KINDS = ("none", "en-en", "x-x", "mono", "x-y", "cross", "hybrid")
"""What `strategies.<name>.batches` may say; `polybatch.batches.plan.KINDS` holds a row for each."""


@dataclass(frozen=True, config=EXACT)
class Strategy:
    """Where training starts and what its batches are (`batches`: a row of plans.KINDS).

    `training`: what only this strategy trains with, in place of the section `training`.
    """

    start: Literal["base", "dapt"]
    batches: Annotated[str, one_of(BATCH_KINDS)]
    cross_ratio: Annotated[float | None, in_range(0.0, 1.0)] = None
    training: TrainingChanges | None = None


@dataclass(frozen=True, config=EXACT)
class Merge:
    """The weighted mean of two strategies' weights, of the same seed and the same start.

    `weight`: of the first strategy; the second one's is `1 - weight`.
    """

    first: str
    second: str
    weight: Share


@dataclass(frozen=True, config=EXACT)
class Centred:
    """The vectors of a strategy or merge without their means, which training text gives.

    `means`: one of all queries and one of all documents (`global`), or of each language.
    """

    of: str
    means: Literal["global", "language"]


@dataclass(frozen=True, config=EXACT)
class Lexical:
    """BM25 (Robertson and Zaragoza 2009). `k1`: how soon a repeated term counts no more.

    `b`: how much of a document's length is held against it, 0 to 1.
    """

    k1: Annotated[float, in_range(0.0, 100.0)]
    b: Share


@dataclass(frozen=True, config=EXACT)
class Fusion:
    """Two arms' ranks joined (Cormack et al. 2009): the sum of 1 / (constant + rank)."""

    first: str
    second: str
    constant: Annotated[int, in_range(0, 1_000_000)]


@dataclass(frozen=True, config=EXACT)
class External:
    """Somebody else's results as an arm: TREC runs or vectors in a folder below `inputs/`."""

    folder: str
    form: Literal["runs", "vectors"]


ARM_SECTIONS = ("strategies", "merges", "centred", "lexical", "fusions", "external")
"""The sections whose rows are arms, in the order of tables."""

_ONE_SEED = ("lexical", "external")


@dataclasses.dataclass(frozen=True)
class Arm:
    """A row of all tables: its section in params.yaml and what stands there.

    Example:
        >>> bm25 = Arm("lexical", Lexical(k1=0.9, b=0.4))
        >>> bm25.seeded, Arm("merges", Merge("mono", "cross", 0.5)).parts
        (False, ('mono', 'cross'))
    """

    section: str
    settings: Strategy | Merge | Centred | Lexical | Fusion | External

    @property
    def seeded(self) -> bool:
        """Whether each seed has one of its own: chance takes part in it."""
        return self.section not in _ONE_SEED

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the arms that this one is made of."""
        match self.settings:
            case Merge() | Fusion():
                return self.settings.first, self.settings.second
            case Centred():
                return (self.settings.of,)
        return ()
