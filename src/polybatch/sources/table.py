"""Every source there is: `SOURCES["mine"] = MySource()` adds one.

Its name stands in `polybatch.settings.source_names`, too, by which params.yaml is checked.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from polybatch.core.errors import InputError
from polybatch.settings.source_names import source_mistake
from polybatch.sources.afriqa import Afriqa
from polybatch.sources.beir import Beir
from polybatch.sources.belebele import Belebele
from polybatch.sources.cldr import Cldr
from polybatch.sources.exams import Exams
from polybatch.sources.lareqa import MLQA_R, XQUAD, XQUAD_R
from polybatch.sources.local import Local
from polybatch.sources.mafand import Mafand
from polybatch.sources.miracl import Miracl
from polybatch.sources.mlqa import Mlqa
from polybatch.sources.mmarco import Mmarco
from polybatch.sources.mmlu_african import MmluAfrican
from polybatch.sources.ntrex import Ntrex
from polybatch.sources.scifact import Scifact
from polybatch.sources.sib200 import Sib200
from polybatch.sources.source import Source
from polybatch.sources.text_folder import TextFolder
from polybatch.sources.tico19 import Tico19
from polybatch.sources.tydiqa import Tydiqa
from polybatch.sources.winogrande_african import WinograndeAfrican
from polybatch.sources.xnli import Xnli

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        *(Cldr(), Mlqa(), XQUAD, XQUAD_R, MLQA_R, Tydiqa(), Xnli()),
        *(Afriqa(), Ntrex(), Sib200(), Tico19(), TextFolder(), Beir(), Local()),
        *(Belebele(), Miracl(), Mmarco()),
        *(Exams(), MmluAfrican(), WinograndeAfrican(), Mafand(), Scifact()),
    )
}


def source_of(name: str, languages: Sequence[str], splits: Sequence[str]) -> Source:
    """Return the source of this name; InputError if there is none, or it lacks what is requested.

    A source of the user's own files may stand several times, as `local-faq` and `local-docs`.

    Example:
        >>> source_of("local-faq", ["sw"], ["all"]).name
        'local-faq'
    """
    kind = SOURCES.get(name.partition("-")[0])
    if name not in SOURCES and kind is not None and kind.own:
        source = copy.copy(kind)
        source.name = name
        source.check(languages, splits)
        return source
    if name not in SOURCES and (mistake := source_mistake(name)):
        raise InputError(f"sources.{name}", *mistake)
    SOURCES[name].check(languages, splits)
    return SOURCES[name]
