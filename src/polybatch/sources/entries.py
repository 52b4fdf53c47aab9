"""From the fields of a user's row to what it says, a language each, by the names of its columns.

Long form: `lang`, `question`, `answer` or `document`. Wide: `question_sw`, `answer_sw`, … Both may
stand in one file; then a row says something in several languages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from polybatch.core.dataset import NOT_REQUESTED
from polybatch.core.errors import InputError
from polybatch.core.languages import canonical, language_mistake, quoted_nearest, same_language
from polybatch.sources.column_names import UnreadColumns, meant, nearly
from polybatch.sources.wide_columns import (
    TEXTS,
    WIDE,
    is_lone,
    is_whole,
    is_word,
    may_be_code,
    wide_columns,
)

FIELDS = ("item_id", "lang", "question", "answer", "document", "title", "group", "split")
_ABOUT = ("item_id", "title", "group", "split")  # once a row, whatever it says in languages
_KINDS = {bool: "true or false", dict: "an object", list: "a list"}
SILENT = "neither a question nor an answer"
_LAYOUTS = 1_000  # of files whose rows have different keys: kept to be found quickly


class Entry(NamedTuple):
    """What a row says in one language; empty fields are ''.

    `lang`: the code as written; `fault`: why the row cannot be used, '' where it can.
    """

    file: str
    row: int
    item_id: str
    lang: str
    question: str
    answer: str
    title: str = ""
    group: str = ""
    split: str = ""
    fault: str = ""


class Layout(NamedTuple):
    """Which columns say what: `texts` by language code, '' being the one in `lang`.

    `left_out`: columns that are no texts, though named as those of a language, and its code.
    `unread`: those of which nothing is read.
    """

    texts: dict[str, dict[str, str]]
    left_out: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()


class Languages:
    """The languages that are read, by whatever code a file has for them.

    `every`: whether each of them has to have a row.
    """

    def __init__(self, requested: Sequence[str], every: bool = True) -> None:
        self.requested, self.every = tuple(requested), every
        self._known: dict[str, tuple[str | None, str]] = {}

    def find(self, code: str) -> tuple[str | None, str]:
        """Return the language of a code, None if unknown, and why its row cannot be used, or ''.

        Example:
            >>> [Languages(["he"]).find(code) for code in ("he", "iw", "de")]
            [('he', ''), ('he', ''), ('de', "not requested: language 'de'")]
            >>> Languages(["he"]).find("english")
            (None, "'english' is no language code; did you mean 'en'?")
        """
        found = self._known.get(code)
        if found is None:
            found = self._look_up(code)
            if len(self._known) < _LAYOUTS:
                self._known[code] = found
        return found

    def _look_up(self, code: str) -> tuple[str | None, str]:
        if not code:
            return None, "no language code"
        if code in self.requested:
            return code, ""
        if same := same_language(code, self.requested):
            return same, ""
        if usual := canonical(code):
            return usual, f"{NOT_REQUESTED}: language '{usual}'"
        if len(code) > 40 or len(self._known) >= _LAYOUTS:
            return None, f"'{code[:20]}' is no language code"
        if code.isascii() and (mistake := language_mistake(code)) and ", which" in mistake[0]:
            return None, mistake[0]
        near = quoted_nearest(code)
        mean = f"did you mean {near}?" if near else "write BCP-47, such as sw or pt-BR"
        return None, f"'{code}' is no language code; {mean}"


class Entries:
    """Reads what the rows of a source say. `mapped`: {field: column} of params."""

    def __init__(self, name: str, mapped: Mapping[str, str], languages: Languages) -> None:
        self._name, self._languages, self.mapped = name, languages, mapped
        self._layouts: dict[tuple[str, ...], Layout] = {}
        self._unseen = dict(mapped)
        self._there: set[str] = set()
        self.begin(mapped.values())
        self.unread = UnreadColumns(name)
        """Columns of each file of which nothing is read."""
        self.both: Counter[str] = Counter()
        """Rows of each file that have an answer and a document; the document is not read."""
        self.left_out: dict[str, dict[tuple[str, str], None]] = {}
        """Columns of each file that are no texts, though named so, and the code in their name."""

    def begin(self, names: Collection[str]) -> None:
        """Begin a file that has columns of these `names`, or rows with other ones besides.

        A field whose mapped column is not there is read by its own name, unless that is mapped.
        """
        taken = set(self.mapped.values())
        self._columns = {
            field: field if column not in names and field not in taken else column
            for field, column in self.mapped.items()
        }
        self._about = [(field, self._column(field)) for field in _ABOUT]
        self._layouts.clear()

    def mistake(self, file: str, row: int, fields: Mapping[str, Any]) -> InputError | None:
        """Return what is wrong with a row whose fields have none of the names that are read."""
        names = tuple(fields)
        return None if self._known(file, row, names).texts else self._no_columns(file, row, names)

    def read(self, file: str, row: int, fields: Mapping[str, Any]) -> Iterator[Entry]:
        """Yield an entry for each language in which a row says something, or one that says nothing.

        InputError if a name is nearly one that is read.
        """
        layout = self._known(file, row, tuple(fields))
        about = {field: _text(fields, column) for field, column in self._about}
        any_text = False
        self.left_out.setdefault(file, {}).update(dict.fromkeys(layout.left_out))
        for lang, columns in layout.texts.items():
            texts = {field: _text(fields, column) for field, column in columns.items()}
            if any(text or fault for text, fault in texts.values()):
                any_text = True
                if "document" in texts and "answer" in texts:
                    self.both[file] += bool(texts["answer"][0] and texts["document"][0])
                code = (lang, "") if lang else _text(fields, self._column("lang"))
                entry = _entry(file, row, about | texts | {"lang": code})
                if entry.answer and (found := self._languages.find(entry.lang)[0]):
                    self.unread.add_document(file, found)
                yield entry
        if not any_text:
            code = _text(fields, self._column("lang"))
            if layout.texts and "" not in layout.texts and not any(code):
                code = ("", SILENT)  # a wide table has no code to miss
            yield _entry(file, row, about | {"lang": code})

    def check_columns(self, file: str, names: Sequence[str]) -> None:
        """Refuse a header that lacks what its rows need: the text columns, or `item_id`.

        Raises:
            InputError: neither question nor document, or questions without `item_id`.
        """
        layout = self._layout(file, 1, tuple(names))
        if not layout.texts:
            raise self._no_columns(file, 1, names)
        asks = any("question" in columns for columns in layout.texts.values())
        if asks and self._column("item_id") not in names:
            raise self._missing(file, 1, names, self._column("item_id"))

    def check_mapped(self) -> None:
        """Refuse a column of params that no file has.

        Raises:
            InputError: such a column, with the nearest there is.
        """
        for field, column in self._unseen.items():
            raise InputError(
                f"sources.{self._name}.columns",
                f"{field}={column}, and no file with a column '{column}'",
                f"one of {', '.join(sorted(self._there)[:20])}",
                f"{meant(column, sorted(self._there))}Correct the name",
            )

    def _column(self, field: str) -> str:
        return self._columns.get(field, field)

    def _known(self, file: str, row: int, names: tuple[str, ...]) -> Layout:
        layout = self._layouts.get(names)
        if layout is None:
            layout = self._layout(file, row, names)
            self.unread.see(file, layout.unread)
            if len(self._layouts) < _LAYOUTS:
                self._layouts[names] = layout
        return layout

    def _layout(self, file: str, row: int, names: tuple[str, ...]) -> Layout:
        there = {name for name in names if name}
        self._there |= there if len(self._there) < _LAYOUTS else set()
        self._unseen = {key: name for key, name in self._unseen.items() if name not in there}
        self._refuse_misnamed(file, row, there)
        texts: dict[str, dict[str, str]] = {}
        if long := self._column("lang") in there:
            own = {field: self._column(field) for field in TEXTS}
            texts[""] = {field: name for field, name in own.items() if name in there}
        taken = set(self.mapped.values())
        mapped = {name: field for field, name in self.mapped.items() if name in there}
        others = there - taken - set(mapped.values())
        left_out: list[tuple[str, str]] = []
        for lang, columns in wide_columns({name: name for name in others} | mapped).items():
            asked = same_language(lang, self._languages.requested)
            none = is_lone(lang, columns, long) or (is_word(lang) and not asked)
            if none and not taken & set(columns.values()):
                left_out += [(name, lang) for name in columns.values() if canonical(lang)]
            elif asked or (is_whole(columns) and may_be_code(lang, long)):
                texts[lang] = columns
        used = {self._column(field) for field in ("lang", *_ABOUT)} | {name for name, _ in left_out}
        unread = there.difference(used, *(columns.values() for columns in texts.values()))
        read = {lang: texts[lang] for lang in texts if texts[lang]}
        return Layout(read, tuple(left_out), tuple(name for name in names if name in unread))

    def _refuse_misnamed(self, file: str, row: int, there: set[str]) -> None:
        """Refuse a column whose name is nearly one that is read, and that is missing."""
        wide = [f"{field}_{lang}" for field in TEXTS for lang in self._languages.requested]
        known = {self._column(field) for field in (*FIELDS, *wide)} | set(self.mapped.values())
        others = sorted(name for name in there - known if not self._is_known_wide(name))
        for field in (*FIELDS, *wide):
            column = self._column(field)
            if column in there or not others or column == self.mapped.get(field):
                continue
            if field in ("answer", "document") and {"answer", "document"} & there:
                continue
            for other in others:
                if nearly(field, other):
                    raise self._missing(file, row, sorted(there), column, other)

    def _is_known_wide(self, name: str) -> bool:
        """Return whether a column is a text in a requested language by another code of it."""
        wide = WIDE.fullmatch(name)
        return bool(wide and same_language(wide[2], self._languages.requested))

    def _no_columns(self, file: str, row: int, names: Sequence[str]) -> InputError:
        lang = self._column("lang")
        wanted = self._column("answer") if lang in names else lang
        if self.mapped and not set(names) & set(self.mapped.values()):
            wanted = sorted(self.mapped.values())[0]
        return self._missing(file, row, names, wanted)

    def _missing(
        self, file: str, row: int, names: Sequence[str], wanted: str, close: str = ""
    ) -> InputError:
        near = f"Did you mean '{close}'? " if close else meant(wanted, names)
        return InputError(
            f"{file}:{row}",
            f"the columns {', '.join(filter(None, names))[:500]}",
            f"'{wanted}' among them: item_id, lang, question and answer in the long format, or"
            " item_id, question_<language> and answer_<language> in the wide one",
            f"{near}Rename a column, or map it: sources.{self._name}.columns: [question=Frage]",
        )


def _text(fields: Mapping[str, Any], column: str) -> tuple[str, str]:
    """Return the text of a field, '' for none, and why it is no text, or ''."""
    found = fields.get(column)
    if found is None:
        return "", ""
    if isinstance(found, str):
        return found.strip().strip("\ufeff").strip(), ""
    return "", f"{_KINDS.get(type(found), 'a value')} in '{column}', not text"


def _entry(file: str, row: int, found: Mapping[str, tuple[str, str]]) -> Entry:
    texts = {field: text for field, (text, _) in found.items()}
    fault = next((fault for _, fault in found.values() if fault), "")
    try:
        "".join(texts.values()).encode()
    except UnicodeEncodeError:
        fault = fault or "half a surrogate pair"
    return Entry(
        file, row, texts["item_id"], texts["lang"], texts.get("question", ""),
        texts.get("answer") or texts.get("document", ""),
        texts["title"], texts["group"], texts["split"], fault,
    )  # fmt: skip
