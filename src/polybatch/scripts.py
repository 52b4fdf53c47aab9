"""Which script a language is written in, and how much of a text is in it."""

from __future__ import annotations

import polars as pl

_LATIN, _ARABIC, _CYRILLIC, _DEVANAGARI = (
    r"\p{Latin}",
    r"\p{Arabic}",
    r"\p{Cyrillic}",
    r"\p{Devanagari}",
)

_BY_SCRIPT = {
    _LATIN: "af az bem ca cs cy da de en eo es et eu fi fil fon fr ga gl ha hr hu id ig is it kin "
    "la lg ln lt lv mg ms mt nb nl nn no ny om pl pt ro rw sk sl sn so sq st sv sw tk tl tn tr ts "
    "tw twi uz vi wo xh yo zu",
    _ARABIC: "ar ckb fa ps sd ug ur",
    _CYRILLIC: "be bg kk ky mk mn ru sr tg uk",
    _DEVANAGARI: "hi mr ne sa",
    r"[\p{Bengali}]": "as bn",
    r"[\p{Ethiopic}]": "am ti",
    r"[\p{Hebrew}]": "he yi",
    r"[\p{Han}]": "zh",
    r"[\p{Han}\p{Hiragana}\p{Katakana}]": "ja",
    r"[\p{Hangul}\p{Han}]": "ko",
    r"\p{Armenian}": "hy",
    r"\p{Georgian}": "ka",
    r"\p{Greek}": "el",
    r"\p{Gujarati}": "gu",
    r"\p{Gurmukhi}": "pa",
    r"\p{Kannada}": "kn",
    r"\p{Khmer}": "km",
    r"\p{Lao}": "lo",
    r"\p{Malayalam}": "ml",
    r"\p{Myanmar}": "my",
    r"\p{Sinhala}": "si",
    r"\p{Tamil}": "ta",
    r"\p{Telugu}": "te",
    r"\p{Thai}": "th",
    r"\p{Tibetan}": "bo dz",
}
_SCRIPTS = {lang: script for script, langs in _BY_SCRIPT.items() for lang in langs.split()}
_SUBTAGS = {
    "Arab": _ARABIC,
    "Cyrl": _CYRILLIC,
    "Deva": _DEVANAGARI,
    "Hans": r"[\p{Han}]",
    "Hant": r"[\p{Han}]",
    "Latn": _LATIN,
}


def letters_of(lang: str) -> str | None:
    r"""Return a regular expression for a letter of the language's script, None if unknown.

    A script subtag decides; else the language's usual script.

    Example:
        >>> letters_of("el"), letters_of("az-Cyrl"), letters_of("tlh")
        ('\\p{Greek}', '\\p{Cyrillic}', None)
    """
    language, *rest = lang.split("-")
    return next((_SUBTAGS[part] for part in rest if part in _SUBTAGS), _SCRIPTS.get(language))


def in_script(lang: str, column: str) -> pl.Expr:
    """Tell of each text whether at least half of its letters are of the language's script.

    A text without letters, or of a language whose script is not known here, counts as in script.

    Example:
        >>> frame = pl.DataFrame({"t": ["Πού; (where)", "Where?", "1999"]})
        >>> frame.select(in_script("el", "t"))["t"].to_list()
        [False, False, True]
    """
    pattern = letters_of(lang)
    text = pl.col(column).str
    if pattern is None:
        return text.len_bytes().ge(0)
    return text.count_matches(pattern) * 2 >= text.count_matches(r"\p{L}")
