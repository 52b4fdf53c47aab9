"""The section `statistics` of params.yaml: which differences are tested, and how."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from polybatch.core.errors import did_you_mean
from polybatch.settings.types import EXACT, in_range, no_repetition

BETWEEN = " - "


@dataclass(frozen=True, config=EXACT)
class StatisticsSettings:
    """The claims of a study, declared before it runs, and how sure they have to be.

    `contrasts`: differences of two rows of the tables, written `hybrid - mono`; all of them are
    corrected together. `smallest_difference`: in points; less does not matter to anybody.
    `resamples`: draws behind a corrected p. `confidence`: of the intervals.
    """

    contrasts: Annotated[
        tuple[str, ...],
        Field(json_schema_extra={"uniqueItems": True}),
        AfterValidator(no_repetition),
    ]
    smallest_difference: Annotated[float, in_range(0.0, 100.0)]
    resamples: Annotated[int, in_range(100, 1_000_000)]
    confidence: Annotated[float, in_range(0.5, 0.999)]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The contrasts as (first, second): first minus second.

        Example:
            >>> StatisticsSettings(("hybrid - mono",), 0.5, 10_000, 0.95).pairs
            (('hybrid', 'mono'),)
        """
        return tuple(_split(text) for text in self.contrasts)


def _split(text: str) -> tuple[str, str]:
    first, _, second = text.partition(BETWEEN)
    return first.strip(), second.strip()


def contrast_mistakes(
    contrasts: Collection[str], arms: Collection[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield what was found, what is expected and what to do; `arms`: names that may be compared.

    Example:
        >>> [do for *_, do in contrast_mistakes(["hybird - mono"], ["mono", "hybrid"])]
        ["Did you mean 'hybrid'?"]
    """
    seen: set[frozenset[str]] = set()
    for text in contrasts:
        first, second = _split(text)
        if not first or not second:
            yield f"'{text}'", "two names with ' - ' between them", "Write 'hybrid - mono'"
            continue
        missing = [name for name in (first, second) if name not in arms]
        for name in missing:
            expected = f"names of this file ({', '.join(arms)})"
            yield f"'{name}' in '{text}'", expected, did_you_mean(name, arms, "Remove the contrast")
        if first == second:
            yield f"'{text}'", "two different names", "Name another"
        elif frozenset((first, second)) in seen:
            yield f"'{text}' and its reverse", "each contrast once", "Remove one of them"
        seen.add(frozenset((first, second)))
