"""Names of columns: which one was meant, and those of which nothing is read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence

from polybatch.sources.wide_columns import TEXTS

_MOST = 1_000  # names of a file that are kept
_NAMED = 5  # in a note


class UnreadColumns:
    """Collects them while rows are read; `name`: the source's.

    Example:
        >>> unread = UnreadColumns("local")
        >>> unread.see("de.csv", ["Frage", "url"])
        >>> unread.add_document("de.csv", "de")
        >>> unread.note("de.csv")
        ['columns not read: Frage, url']
        >>> print(*unread.unasked({"de"}))
        local: no question in de, which has documents in de.csv: see its columns that are not read
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._names: dict[str, dict[str, None]] = {}
        self._documents: dict[str, dict[str, None]] = {}  # {language: files with documents in it}

    def see(self, file: str, names: Sequence[str]) -> None:
        """Take the columns of a row of which nothing is read."""
        if names and len(known := self._names.setdefault(file, {})) < _MOST:
            known.update(dict.fromkeys(names))

    def add_document(self, file: str, lang: str) -> None:
        """Take that a file has a document in a language."""
        self._documents.setdefault(lang, {})[file] = None

    def note(self, file: str) -> list[str]:
        """Return a note of the columns of a file, if there are any."""
        names = list(self._names.get(file, ()))
        more = f" and {len(names) - _NAMED} more" * (len(names) > _NAMED)
        return [f"columns not read: {', '.join(names[:_NAMED])}{more}"] * bool(names)

    def unasked(self, languages: Collection[str]) -> Iterator[str]:
        """Yield a note for each of these `languages`, without questions, with documents there."""
        for lang in sorted(languages):
            files = [file for file in self._documents.get(lang, ()) if file in self._names]
            if files:
                yield (
                    f"{self._name}: no question in {lang}, which has documents in "
                    f"{', '.join(files[:_NAMED])}: see its columns that are not read"
                )


def meant(wanted: str, names: Sequence[str]) -> str:
    """Return a question with the name that is nearest to one that is wanted, '' if none is.

    Example:
        >>> meant("Antwort", ["Frage", "antworten"]), meant("lang", ["url"])
        ("Did you mean 'antworten'? ", '')
    """
    folded = {_folded(name): name for name in names if name}
    close = difflib.get_close_matches(_folded(wanted), list(folded), n=1)
    return f"Did you mean '{folded[close[0]]}'? " if close else ""


def nearly(field: str, name: str) -> bool:
    """Return whether a column is most likely a misspelling of a field.

    Example:
        >>> [nearly("answer", name) for name in ("Answer", "anwser", "answer_id", "notes")]
        [True, True, False, False]
    """
    if _folded(field) == _folded(name):
        return True
    if field not in ("item_id", *TEXTS) or name.startswith(f"{field}_"):
        return False
    return difflib.SequenceMatcher(None, field, name).ratio() > 0.8


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
