"""Every source there is: `SOURCES["mine"] = MySource()` adds one."""

from __future__ import annotations

from collections.abc import Sequence

from polybatch.errors import InputError
from polybatch.sources.base import Source
from polybatch.sources.cldr import Cldr
from polybatch.sources.lareqa import MLQA_R, XQUAD, XQUAD_R
from polybatch.sources.mlqa import Mlqa

SOURCES: dict[str, Source] = {
    source.name: source for source in (Cldr(), Mlqa(), XQUAD, XQUAD_R, MLQA_R)
}


def source_of(name: str, languages: Sequence[str], splits: Sequence[str]) -> Source:
    """Return the source of this name; InputError if there is none, or it lacks what is asked."""
    if name not in SOURCES:
        raise InputError(
            f"sources.{name}", "an unknown source", f"one of {', '.join(SOURCES)}", "Choose one"
        )
    SOURCES[name].check(languages, splits)
    return SOURCES[name]
