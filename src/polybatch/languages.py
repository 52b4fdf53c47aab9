"""Language codes, checked against BCP-47 as CLDR holds it, and ordered pairs of languages.

CLDR comes with Babel: its likely subtags list the languages that people write, its aliases say
which codes are other words for the same language (`iw` for `he`, `swh` for `sw`, `deu` for `de`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from babel import Locale
from babel.core import get_global

POOL = "mul"
"""ISO 639-2's code for 'multiple languages': the document side of the multilingual setting."""

_SHAPE = re.compile(r"([a-z]{2,3})(?:-([A-Z][a-z]{3}))?(?:-([A-Z]{2}|[0-9]{3}))?")

_NOT_ONE = {
    "mul": "which stands for several languages",
    "und": "which stands for an undetermined language",
    "mis": "which stands for a language without a code",
    "zxx": "which stands for no language at all",
}
_PRIVATE = re.compile(r"q[a-t][a-z](-.*)?|[xi]-.*|.*-x-.*", re.IGNORECASE)

_APART = {"tw": "tw", "twi": "tw", "fat": "fat"}
"""Corpora, and BCP-47, part what CLDR joins: Twi and Fante are not all of Akan."""

_CURRENT = frozenset({"tl", "tw"})
"""Codes that BCP-47 has not deprecated, though CLDR prefers another."""


_BY_OWN_NAME = "ar cs da de el es fa fi fr he hi hu id it ja ko nl pl pt ro ru sv th tr uk vi zh"


def is_language(code: str) -> bool:
    """Tell whether `code` is written as BCP-47 does (language, script, region) and names one.

    Deprecated codes such as `iw` do; `canonical` gives what they are called now.

    Example:
        >>> [is_language(code) for code in ("sw", "zh-Hant", "pt-BR", "english", "EN", "mul")]
        [True, True, True, False, False, False]
    """
    return _SHAPE.fullmatch(code) is not None and canonical(code) is not None


@lru_cache(4096)
def canonical(code: str) -> str | None:
    """Return one code for all that BCP-47 and CLDR know as the same language; None for no code.

    Case and underscores do not matter. `mul`, `und`, `mis`, `zxx` and private use are no language.

    Example:
        >>> [canonical(code) for code in ("iw", "swh", "deu", "ZH_hant", "cmn", "en-UK", "zh-yue")]
        ['he', 'sw', 'de', 'zh-Hant', 'zh', 'en-GB', 'yue']
        >>> [canonical(code) for code in ("english", "xx", "mul", "qaa", "x-mine", "")]
        [None, None, None, None, None, None]
    """
    language, *rest = code.strip().replace("_", "-").split("-")
    if rest and re.fullmatch("[A-Za-z]{3}", rest[0]):
        language, *rest = rest  # an extended language: zh-yue is yue
    language, *implied = _alias(language.lower()).split("_")
    if language not in _languages():
        return None
    parts = {len(part) == 4: part for part in implied}  # script: True, region: False
    for is_script in (True, False):
        if rest and (len(rest[0]) == 4) == is_script:
            parts[is_script] = _script(rest.pop(0)) if is_script else _region(rest.pop(0))
    if rest or "" in parts.values():
        return None
    return "-".join([language, *(parts[key] for key in (True, False) if key in parts)])


def same_language(code: str, among: Iterable[str]) -> str | None:
    """Return which code of `among` names the same language as `code`, None where none does.

    Example:
        >>> same_language("iw", ["en", "he"]), same_language("tl", ["fil"]), same_language("x", [])
        ('he', 'fil', None)
    """
    wanted = canonical(code)
    return next((other for other in among if wanted and canonical(other) == wanted), None)


def language_mistake(code: str) -> tuple[str, str, str] | None:
    """Return what was found, what is expected and what to do; None for a code that can be used.

    Example:
        >>> language_mistake("sw")
        >>> [language_mistake(code)[2] for code in ("iw", "EN", "zh_CN", "english", "jp")]
        ["Write 'he'", "Write 'en'", "Write 'zh-CN'", "Did you mean 'en'?", "Did you mean 'ja'?"]
    """
    usual = canonical(code)
    if is_language(code) and (usual == code or code in _CURRENT or "-" in str(usual)):
        return None
    expected = "a BCP-47 code of a language, such as sw, zh-Hant or pt-BR"
    lower = code.strip().lower()
    reason = _NOT_ONE.get(re.split("[-_]", lower)[0])
    if reason is None and _PRIVATE.fullmatch(lower):
        reason = "which is for private use"
    if reason is not None:
        cure = "Give each row the code of its one language; all languages are searched together"
        return f"'{code}', {reason}", expected, f"{cure} in the multilingual setting anyway"
    if usual is not None:
        return f"'{code}'", f"the usual code of that language, '{usual}'", f"Write '{usual}'"
    near = nearest(code)
    cure = (
        f"Did you mean '{near}'?"
        if near
        else "Look the code up at https://r12a.github.io/app-subtags"
    )
    return f"'{code}'", expected, cure


def nearest(word: str) -> str | None:
    """Return the code that an unknown word most likely means: a name, a country, a misspelling.

    Example:
        >>> [nearest(word) for word in ("swahili", "Français", "jp", "english (us)", "en-XX")]
        ['sw', 'fr', 'ja', 'en', 'en']
    """
    first, *rest = re.split(r"[-_.@ (]", word.strip().lower())
    for names in (_english_names, _own_names):
        if code := names().get(word.strip().lower()) or names().get(first):
            return code
    if rest and (code := canonical(first)):
        return code
    country = get_global("likely_subtags").get(f"und_{first.upper()}")
    if country:
        return canonical(country.split("_")[0])
    short = len(first) <= 3
    pool = sorted(code for code in _languages() if len(code) == 2) if short else _english_names()
    close = difflib.get_close_matches(first, pool, n=1, cutoff=0.5 if short else 0.75)
    return (_english_names().get(close[0]) or canonical(close[0])) if close else None


def _alias(language: str) -> str:
    alias: str = get_global("language_aliases").get(language, language)
    return _APART.get(language, alias)


def _script(subtag: str) -> str:
    return subtag.title() if subtag.title() in Locale("en").scripts else ""


def _region(subtag: str) -> str:
    region, known = subtag.upper(), Locale("en").territories
    now = get_global("territory_aliases").get(region, [region])
    return now[0] if len(now) == 1 and now[0] in known else ""


@cache
def _languages() -> frozenset[str]:
    written = (*get_global("likely_subtags"), *Locale("en").languages)
    found = {code.split("_")[0] for code in written} - {*_NOT_ONE, "root"}
    return frozenset(code for code in found if not _PRIVATE.fullmatch(code))


@cache
def _english_names() -> dict[str, str]:
    names = Locale("en").languages.items()
    return {name.lower(): code for code, name in names if code in _languages()}


@cache
def _own_names() -> dict[str, str]:
    """Return the code of each of _BY_OWN_NAME by the name its speakers use."""
    return {str(Locale(code).language_name).lower(): code for code in _BY_OWN_NAME.split()}


@dataclass(frozen=True, order=True)
class LanguagePair:
    """A query language and a document language; monolingual when they are equal.

    Example:
        >>> LanguagePair.parse("sw>en").kind, str(LanguagePair("de", "de"))
        ('cross', 'de>de')
    """

    query: str
    document: str

    @classmethod
    def parse(cls, text: str) -> LanguagePair:
        """Read the written form `query>document`; ValueError for anything else."""
        halves = text.split(">")
        if len(halves) != 2 or not all(map(is_language, halves)):
            raise ValueError(f"{text!r} is no pair of languages like 'sw>en'")
        return cls(*halves)

    @property
    def kind(self) -> str:
        """`mono` or `cross`."""
        return "mono" if self.query == self.document else "cross"

    def __str__(self) -> str:
        return f"{self.query}>{self.document}"
