"""Facts about territories and their names, from the Unicode CLDR data in the package Babel."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from babel import Locale, localedata
from babel.core import get_global
from babel.lists import format_list

Names = dict[str, str]
_BIDI_MARKS = dict.fromkeys(map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e"))
_SHARE_TO_COUNT = 5.0  # percent of the population below which a second language is no fact


@dataclass(frozen=True)
class Fact:
    """What questions are about, in codes: ISO 4217, BCP-47, weekday numbers, zone ids."""

    territory: str
    kind: str
    value: tuple[str, ...]


@cache
def territories() -> tuple[str, ...]:
    """Return the ISO 3166 codes of territories with a currency, languages and a time zone.

    Example:
        >>> [code in territories() for code in ("TZ", "001")]  # Tanzania; the world
        [True, False]
    """
    found = set(get_global("territory_currencies"))
    found &= set(get_global("territory_languages")) & set(get_global("territory_zones"))
    return tuple(sorted(code for code in found if len(code) == 2 and code.isalpha()))


def facts() -> list[Fact]:
    """Return every fact, sorted by territory and kind.

    Example:
        >>> [fact.value for fact in facts() if (fact.territory, fact.kind) == ("JP", "currency")]
        [('JPY',)]
    """
    found = [
        Fact(territory, kind, value)
        for territory in territories()
        for kind, values in FACTS.items()
        if (value := values(territory))
    ]
    return found + _only_users_of_a_currency(found)


def _currency(territory: str) -> tuple[str, ...]:
    now = [
        code
        for code, _, end, tender in get_global("territory_currencies")[territory]
        if end is None and tender
    ]
    return (now[0],) if len(now) == 1 else ()


def _only_users_of_a_currency(found: list[Fact]) -> list[Fact]:
    """Return the inverse question, of currencies that only one territory uses."""
    users: dict[tuple[str, ...], list[str]] = {}
    for fact in found:
        if fact.kind == "currency":
            users.setdefault(fact.value, []).append(fact.territory)
    return [
        Fact(where[0], "currency_territory", value)
        for value, where in users.items()
        if len(where) == 1
    ]


def _by_speakers(territory: str) -> list[tuple[float, str]]:
    languages = get_global("territory_languages")[territory]
    shares = [(float(about["population_percent"]), code) for code, about in languages.items()]
    return [*sorted(shares, reverse=True), (0.0, ""), (0.0, ""), (0.0, "")]


def _main_language(territory: str) -> tuple[str, ...]:
    shares = _by_speakers(territory)
    return (shares[0][1],) if shares[0][0] > shares[1][0] else ()


def _second_language(territory: str) -> tuple[str, ...]:
    shares = _by_speakers(territory)
    clear = shares[0][0] > shares[1][0] > shares[2][0]
    return (shares[1][1],) if clear and shares[1][0] >= _SHARE_TO_COUNT else ()


def _official_language(territory: str) -> tuple[str, ...]:
    languages = get_global("territory_languages")[territory]
    return tuple(
        sorted(
            code
            for code, about in languages.items()
            if about["official_status"] in ("official", "de_facto_official")
        )
    )


@cache
def _home_locales() -> dict[str, Locale]:
    """Return a locale of each territory: weeks are data of territories, found through locales."""
    found: dict[str, Locale] = {}
    for name in sorted(localedata.locale_identifiers()):
        locale = Locale.parse(name)
        if locale.territory:
            found.setdefault(locale.territory, locale)
    return found


def _first_weekday(territory: str) -> tuple[str, ...]:
    locale = _home_locales().get(territory)
    return (str(locale.first_week_day),) if locale else ()


def _weekend(territory: str) -> tuple[str, ...]:
    locale = _home_locales().get(territory)
    return (str(locale.weekend_start), str(locale.weekend_end)) if locale else ()


def _zone(territory: str) -> tuple[str, ...]:
    zones = get_global("territory_zones")[territory]
    return (zones[0],) if len(zones) == 1 and "/" in zones[0] else ()


FACTS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "currency": _currency,
    "currency_code": _currency,
    "first_weekday": _first_weekday,
    "main_language": _main_language,
    "official_language": _official_language,
    "second_language": _second_language,
    "territory_code": lambda territory: (territory,),
    "timezone_city": _zone,
    "weekend": _weekend,
}


class Namer:
    """Names of codes in one language, as CLDR has them; None where it has none."""

    def __init__(self, lang: str) -> None:
        self.locale = Locale.parse(lang, sep="-")
        self.latin = unicodedata.name(self.locale.languages["en"][0]).startswith("LATIN")

    def names(self, fact: Fact) -> Names | None:
        """Return what a template of the fact's kind puts in, or None if a name is missing.

        Example:
            >>> Namer("de").names(Fact("JP", "main_language", ("ja",)))
            {'territory': 'Japan', 'language': 'Japanisch'}
        """
        found: dict[str, str | None] = {"territory": self.locale.territories.get(fact.territory)}
        value = fact.value
        if fact.kind in ("currency", "currency_territory"):
            found["currency"] = self.locale.currencies.get(value[0])
        elif fact.kind in ("currency_code", "territory_code"):
            found["code"] = value[0]
        elif fact.kind in ("main_language", "second_language"):
            found["language"] = self._language(value[0])
        elif fact.kind == "official_language":
            found["languages"] = self._languages(value)
        elif fact.kind == "timezone_city":
            found["city"] = self._city(value[0])
        else:
            # Not "stand-alone": where a locale only refers to "format", Babel 2.18 answers with the
            # names of whichever locale was read before.
            days = self.locale.days["format"]["wide"]
            slots = ("day",) if fact.kind == "first_weekday" else ("start", "end")
            found |= {slot: days[int(day)] for slot, day in zip(slots, value, strict=True)}
        if any(name is None for name in found.values()):
            return None
        return {slot: _clean(name) for slot, name in found.items() if name is not None}

    def _language(self, code: str) -> str | None:
        name: str | None = self.locale.languages.get(code)
        return name

    def _languages(self, codes: tuple[str, ...]) -> str | None:
        names = [self._language(code) for code in codes]
        known = sorted(name for name in names if name is not None)
        return format_list(known, locale=self.locale) if len(known) == len(names) else None

    def _city(self, zone: str) -> str | None:
        known = self.locale.time_zones.get(zone)
        if known is not None and "city" in known:
            return str(known["city"])
        # CLDR's own rule where a locale names no city: the last part of the id.
        return zone.rpartition("/")[2].replace("_", " ") if self.latin else None


def _clean(name: str) -> str:
    return unicodedata.normalize("NFC", name.translate(_BIDI_MARKS)).strip()
