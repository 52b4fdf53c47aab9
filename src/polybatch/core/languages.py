"""Language codes, checked against BCP-47 as CLDR holds it, and ordered pairs of languages.

CLDR comes with Babel: its likely subtags list the languages that people write, its aliases say
which codes are other words for the same language (`iw` for `he`, `swh` for `sw`, `deu` for `de`).
"""

from __future__ import annotations

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

_EXTENDED = "ar kok lv ms sgn sw uz zh"  # by other languages' subtags, in BCP-47: zh-yue
_BY_OWN_NAME = "ar cs da de el es fa fi fr he hi hu id it ja ko nl pl pt ro ru sv th tr uk vi zh"


def is_language(code: str) -> bool:
    """Return whether `code` is written as BCP-47 does (language, script, region) and names one.

    Deprecated codes such as `iw` do; `canonical` gives what they are called now.

    Example:
        >>> [is_language(code) for code in ("sw", "zh-Hant", "pt-BR", "english", "EN", "mul")]
        [True, True, True, False, False, False]
    """
    return _SHAPE.fullmatch(code) is not None and canonical(code) is not None


@lru_cache(4096)
def canonical(code: str) -> str | None:
    """Return one code for all that BCP-47 and CLDR know as the same language; None for no code.

    Case and underscores do not matter, and a region may have three letters. `mul`, `und`, `mis`,
    `zxx` and private use are no language.

    Example:
        >>> [canonical(code) for code in ("iw", "swh", "deu", "ZH_hant", "cmn", "en-UK", "zh-yue")]
        ['he', 'sw', 'de', 'zh-Hant', 'zh', 'en-GB', 'yue']
        >>> [canonical(code) for code in ("en-USA", "pt-BRA", "ar-EGY", "ar-arz", "en-yue")]
        ['en-US', 'pt-BR', 'ar-EG', 'arz', None]
        >>> [canonical(code) for code in ("english", "xx", "mul", "qaa", "x-mine", "")]
        [None, None, None, None, None, None]
    """
    language, *rest = code.strip().replace("_", "-").split("-")
    if rest and _is_extended(language, rest[0]):
        language, *rest = rest  # zh-yue is yue
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

    A script and a region that CLDR holds for likely anyhow add nothing: `en-US` is `en`, `zh-CN`
    and `zh-Hans` are `zh`; `en-GB` and `zh-Hant` are not.

    Example:
        >>> same_language("iw", ["en", "he"]), same_language("tl", ["fil"]), same_language("x", [])
        ('he', 'fil', None)
        >>> [same_language(code, ["en", "pt"]) for code in ("en-US", "en-GB", "pt_br", "pt-PT")]
        ['en', None, 'pt', None]
    """
    written = [(other, canonical(other)) for other in among]
    wanted = canonical(code)
    for same in (str, _in_full):
        for other, usual in written:
            if wanted and usual and same(usual) == same(wanted):
                return other
    return None


@lru_cache(4096)
def _in_full(code: str) -> tuple[str, str, str]:
    """Return language, script and region, the likely ones where a code names none.

    Example:
        >>> _in_full("sw"), _in_full("zh-TW")
        (('sw', 'Latn', 'TZ'), ('zh', 'Hant', 'TW'))
    """
    language, *rest = code.split("-")
    script = next((part for part in rest if len(part) == 4), "")
    region = next((part for part in rest if len(part) < 4), "")
    likely = get_global("likely_subtags")
    for parts in ((language, script, region), (language, region), (language, script), (language,)):
        if found := likely.get("_".join(part for part in parts if part)):
            _, usual_script, usual_region = found.split("_")[:3]
            return language, script or usual_script, region or usual_region
    return language, script, region


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
    near = quoted_nearest(code)
    look = "Look the code up at https://r12a.github.io/app-subtags"
    return f"'{code}'", expected, f"Did you mean {near}?" if near else look


def quoted_nearest(word: str) -> str | None:
    """Return `nearest` for a message, with the word's own code where that is out of use.

    Example:
        >>> quoted_nearest("swahili"), quoted_nearest("iww")
        ("'sw'", "'he', the usual code for 'iw'")
    """
    written, near = _meant(word), nearest(word)
    return near and f"'{near}'" + f", the usual code for '{written}'" * (written != near)


def nearest(word: str) -> str | None:
    """Return the code that an unknown word most likely means: a name, a country, a misspelling.

    None where nothing is near, or several languages are equally near.

    Example:
        >>> [nearest(word) for word in ("swahili", "Français", "jp", "english (us)", "en-XX")]
        ['sw', 'fr', 'ja', 'en', 'en']
        >>> [nearest(word) for word in ("swahilli", "enn", "xx", "klingonese")]
        ['sw', 'en', None, None]
    """
    written = _meant(word)
    return canonical(written) if written else None


def _meant(word: str) -> str | None:
    """Return a code, maybe one that is out of use, of the language that a word means."""
    whole, (first, *rest) = word.strip().lower(), re.split(r"[-_.@ (]", word.strip().lower())
    for text in (whole, first):
        if code := _names().get(text):
            return code
    if rest and canonical(first):
        return first
    if country := get_global("likely_subtags").get(f"und_{first.upper()}"):
        return str(country.split("_")[0])
    return _misspelt_code(first) if len(first) <= 3 else _misspelt_name(first)


def _misspelt_code(word: str) -> str | None:
    """Return the code of two letters that became three by one too many, behind the first letter.

    Two wrong letters are no misspelling of anything: each is near to fifty codes.
    """
    shorter = {word[:at] + word[at + 1 :] for at in (1, 2)} if len(word) == 3 else set()
    return _only(sorted(code for code in shorter if canonical(code)))


def _misspelt_name(word: str) -> str | None:
    """Return the code of the one name that begins with a word, or differs by a letter in five."""
    begun = [name for name in _names() if name.startswith(word)]
    if begun:
        return _names()[min(begun, key=lambda name: (len(name), name))]
    if len(word) > 40:
        return None
    most = max(1, len(word) // 5)
    near: dict[int, list[str]] = {}
    for name, code in _names().items():
        if abs(len(name) - len(word)) <= most:
            near.setdefault(_edits(word, name), []).append(code)
    best = min(near, default=most + 1)
    return _only(near[best]) if best <= most else None


def _only(codes: list[str]) -> str | None:
    """Return the first code where all name one language."""
    return codes[0] if len({canonical(code) for code in codes}) == 1 else None


def _edits(one: str, other: str) -> int:
    """Return how many letters are to be added, dropped, changed or swapped with the next.

    Example:
        >>> [_edits("germna", word) for word in ("german", "germ", "roman")]
        [1, 2, 4]
    """
    before, last = [0] * (len(other) + 1), list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        row = [at]
        for to, wanted in enumerate(other, 1):
            least = min(last[to] + 1, row[to - 1] + 1, last[to - 1] + (letter != wanted))
            if at > 1 and to > 1 and (letter, one[at - 2]) == (other[to - 2], wanted):
                least = min(least, before[to - 2] + 1)
            row.append(least)
        before, last = last, row
    return last[-1]


def _alias(language: str) -> str:
    alias: str = get_global("language_aliases").get(language, language)
    return _APART.get(language, alias)


def _is_extended(language: str, subtag: str) -> bool:
    """Return whether a subtag names a language by itself: that of zh-yue, but not of zh-TWN."""
    if not re.fullmatch("[A-Za-z]{3}", subtag) or _alias(language.lower()) not in _EXTENDED.split():
        return False
    return language.lower() == "sgn" or not _region(subtag)


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
def _names() -> dict[str, str]:
    """Return codes by names: the English ones, then those that speakers of _BY_OWN_NAME use."""
    english = {name.lower(): code for code, name in Locale("en").languages.items()}
    own = {str(Locale(code).language_name).lower(): code for code in _BY_OWN_NAME.split()}
    return {name: code for name, code in (own | english).items() if code in _languages()}


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
