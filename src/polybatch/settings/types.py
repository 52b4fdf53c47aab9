"""Types that the sections of params.yaml share: shares, counts, lists of distinct words.

No field has a default: what decided a result has to stand in the file. `None` is allowed only
where a key makes no sense for the row it stands in (`cross_ratio` of a strategy that mixes
nothing). Ranges are inclusive; pydantic checks them, `polybatch.settings.load` says where in the
file.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

EXACT = ConfigDict(extra="forbid")


def in_range(low: float, high: float) -> Any:
    """Return the field of a number in this range, both ends included.

    Example:
        >>> in_range(0, 1).metadata
        [Ge(ge=0), Le(le=1)]
    """
    return Field(ge=low, le=high)


def one_of(words: tuple[str, ...]) -> Any:
    """Let editors propose these words; `rules` refuses others, code may add some.

    Example:
        >>> one_of(("mlm", "crop")).json_schema_extra
        {'enum': ['mlm', 'crop']}
    """
    return Field(json_schema_extra={"enum": list(words)})


def no_repetition(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values; pydantic shows its error if one stands twice.

    Raises:
        PydanticCustomError: a value stands twice.

    Example:
        >>> no_repetition(("sw", "en"))
        ('sw', 'en')
    """
    if len(set(values)) != len(values):
        raise PydanticCustomError("repeated", "a value stands twice")
    return values


UNIQUE = (
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(no_repetition),
)


Share = Annotated[float, in_range(0.0, 1.0)]


Rate = Annotated[float, in_range(0.0, 1.0)]


Count = Annotated[int, in_range(1, 10_000_000)]


Words = Annotated[tuple[str, ...], *UNIQUE]
