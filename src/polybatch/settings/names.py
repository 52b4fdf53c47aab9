"""What names and ids have to be, so that everything that takes them later can hold them.

Names (of strategies, sources, datasets) become keys and stages of DVC, whose paths split at dots
and whose `${…}` reads `$`; files and folders, on systems that ignore case or reserve words; git
tags (`strategy/<name>`); run names of TREC files, split at white space; keys of Prefect. Ids stand
in TREC files, one per column. Both stand in tables and on the report's page.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import polars as pl

LONGEST_NAME = 64
"""Characters of a name: with what stages add to it, a file name stays below 255 bytes."""

_NAME = re.compile(r"[a-z0-9]+(?:[-_]+[a-z0-9]+)*")
_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)
}
_RESERVED = {
    **dict.fromkeys(("size", "nfiles"), "whose changes DVC does not see"),  # treeverse/dvc 10296
    **dict.fromkeys(_DEVICES, "which Windows reserves for a device"),
    **dict.fromkeys(("null", "true", "false"), "which YAML reads as a value"),
}
_COLUMNS = ("decision", "difference", "group", "interval", "script", "setting")
_TAKEN = {
    "strategy": {
        "start": "as models/start holds what all start from",
        "current": "as models/current holds what flows export",
        **dict.fromkeys(_COLUMNS, "as tables have a column of that name"),
    }
}

CONTROL = r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F"
"""Control characters, for a class of a regular expression: C0 but tab and line ends, DEL, C1."""

_UNHOLDABLE = re.compile(rf"[\s{CONTROL}\ufeff\ud800-\udfff]")
_ESCAPED = re.compile(f"{_UNHOLDABLE.pattern}|%(?=[0-9A-Fa-f]{{2}})")
_UNHOLDABLE_IN_POLARS = rf"^$|[\s{CONTROL}\x{{FEFF}}]"  # its text has no surrogates


def name_mistake(kind: str, name: str, others: Collection[str] = ()) -> tuple[str, str, str] | None:
    """Return what was found, what is expected and what to do; None for a name that can be used.

    `kind`: `strategy`, `source` or `dataset`; `others`: the names that its proposal must avoid.

    Example:
        >>> name_mistake("strategy", "hybrid-0.5")[2]
        "Write 'hybrid-0-5'"
        >>> name_mistake("dataset", "hybrid-05")
    """
    if reason := _RESERVED.get(name) or _TAKEN.get(kind, {}).get(name):
        found, expected = f"the name '{name}'", f"another, {reason}"
    elif len(name) > LONGEST_NAME:
        found, expected = f"a name of {len(name)} characters", f"at most {LONGEST_NAME}"
    elif _NAME.fullmatch(name):
        return None
    else:
        found = f"the name {name!r}"
        expected = "lower-case letters (a-z), digits, and '-' or '_' between them"
    return found, expected, f"Write '{proposed_name(kind, name, others)}'"


def proposed_name(kind: str, name: str, others: Collection[str] = ()) -> str:
    """Return the nearest name that can be used and is not among `others`.

    Example:
        >>> [proposed_name("dataset", name) for name in ("FAQ (old)", "size", "Größe", "何")]
        ['faq-old', 'size-dataset', 'grosse', 'dataset']
    """
    letters = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    base = re.sub("[^a-z0-9_]+", "-", letters).strip("-_")[: LONGEST_NAME - 12].strip("-_") or kind
    if base in _RESERVED or base in _TAKEN.get(kind, {}):
        base = f"{base}-{kind}"
    tries = (base, *(f"{base}-{number}" for number in range(2, len(others) + 3)))
    return next(one for one in tries if one not in others)


def safe_id(text: str) -> str:
    """Return an id that every consumer can hold; two texts never give the same one.

    White space, control characters, byte order marks and halves of surrogates become their UTF-8
    bytes in hexadecimal, as in URLs (a space is `%20`), and so does a `%` that would read as such;
    everything else stays, and so do most ids. `urllib.parse.unquote` with `surrogatepass`
    is the way back. The empty text stays empty, which `unusable_id` refuses.

    Example:
        >>> safe_id("opening hours.txt:1"), safe_id("50%"), safe_id("50%20")
        ('opening%20hours.txt:1', '50%', '50%2520')
    """
    return _ESCAPED.sub(lambda found: quote(found.group(), safe="", errors="surrogatepass"), text)


def unusable_id(column: str) -> pl.Expr:
    """Return whether each id of a column is missing, empty, or cannot be held: a rejected row.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"doc_id": ["a", "a b", "", None]})
        >>> frame.select(unusable_id("doc_id")).rows()
        [(False,), (True,), (True,), (True,)]
    """
    import polars as pl  # here: params.yaml is checked without it

    ids = pl.col(column)
    return ids.is_null() | ids.str.contains(_UNHOLDABLE_IN_POLARS)
