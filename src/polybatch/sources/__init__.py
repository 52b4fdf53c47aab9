"""Every source there is: `SOURCES["mine"] = MySource()` adds one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polybatch.errors import InputError
from polybatch.sources.afriqa import Afriqa
from polybatch.sources.base import Source
from polybatch.sources.cldr import Cldr
from polybatch.sources.folder import TextFolder
from polybatch.sources.lareqa import MLQA_R, XQUAD, XQUAD_R
from polybatch.sources.mlqa import Mlqa
from polybatch.sources.ntrex import Ntrex
from polybatch.sources.sib200 import Sib200
from polybatch.sources.tico19 import Tico19

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        *(Cldr(), Mlqa(), XQUAD, XQUAD_R, MLQA_R),
        *(Afriqa(), Ntrex(), Sib200(), Tico19(), TextFolder()),
    )
}


def source_of(
    name: str, languages: Sequence[str], splits: Sequence[str], folder: str | None = None
) -> Source:
    """Return the source of this name; InputError if there is none, or it lacks what is asked.

    `folder`: the user's, for a source that reads one.
    """
    if name not in SOURCES:
        raise InputError(
            f"sources.{name}", "an unknown source", f"one of {', '.join(SOURCES)}", "Choose one"
        )
    SOURCES[name].check(languages, splits)
    return SOURCES[name] if folder is None else SOURCES[name].at(Path(folder))
