"""Which script a language is written in, by CLDR, and how much of a text is in it."""

from __future__ import annotations

from functools import cache

import polars as pl
from babel.core import get_global

_SEVERAL = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Hanb": ("Hani", "Bopo"),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Hrkt": ("Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
    "Aran": ("Arab",),
    "Cyrs": ("Cyrl",),
    "Latf": ("Latn",),
    "Latg": ("Latn",),
    "Syre": ("Syrc",),
    "Syrj": ("Syrc",),
    "Syrn": ("Syrc",),
}
"""Codes of ISO 15924 for several scripts of Unicode, or for a variant of one."""


@cache
def script_of(lang: str) -> str | None:
    """Return the ISO 15924 code of the script a language is written in, None if CLDR has none.

    A script subtag decides; else the language's usual script in its region (CLDR's likely
    subtags), else that of the language.

    Example:
        >>> [script_of(lang) for lang in ("pa", "pa-PK", "az-Cyrl", "zh-TW", "kin", "tlh")]
        ['Guru', 'Arab', 'Cyrl', 'Hant', 'Latn', None]
    """
    language, *rest = lang.split("-")
    if script := next((part for part in rest if len(part) == 4 and part.isalpha()), None):
        return script.title()
    language = str(get_global("language_aliases").get(language, language)).split("_")[0]
    likely = get_global("likely_subtags")
    found = next((likely[key] for key in (f"{language}_{part}" for part in rest) if key in likely),
                 likely.get(language))  # fmt: skip
    return str(found).split("_")[1] if found else None


@cache
def letters_of(lang: str) -> str | None:
    r"""Return a regular expression for a letter of the language's script, None if unknown.

    Example:
        >>> letters_of("el"), letters_of("ko"), letters_of("tlh")
        ('[\\p{Grek}]', '[\\p{Hang}\\p{Hani}]', None)
    """
    script = script_of(lang)
    if script is None:
        return None
    pattern = "".join(rf"\p{{{each}}}" for each in _SEVERAL.get(script, (script,)))
    return f"[{pattern}]" if _is_known(f"[{pattern}]") else None


def in_script(lang: str, column: str) -> pl.Expr:
    """Return for each text whether at least half of its letters are of the language's script.

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


def _is_known(pattern: str) -> bool:
    """Return whether polars knows the scripts of a pattern: codes may be invented, or too new."""
    try:
        pl.select(pl.lit("a").str.contains(pattern))
    except pl.exceptions.PolarsError:
        return False
    return True
