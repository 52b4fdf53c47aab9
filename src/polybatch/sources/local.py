"""The user's own questions and documents: `sources.local.folder` in params.yaml.

Long format: a row is an item in one language (`item_id`, `lang`, `question`, `answer`). Wide: a row
is an item in all languages (`item_id`, `question_sw`, `answer_sw`, `question_en`, …). A row with a
`document` and no item enlarges the pool. How: docs/bring-your-own.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.core.languages import canonical
from polybatch.sources.collected import ALL, Collected
from polybatch.sources.entries import FIELDS, Entries, Languages
from polybatch.sources.item_ids import item_id_notes
from polybatch.sources.manifest import Manifest
from polybatch.sources.source import Fetch, Parsed, Source
from polybatch.sources.user_files import FIRST_ROWS, is_table, open_rows
from polybatch.sources.user_folder import check_names, copy_files, named
from polybatch.sources.user_rows import Broken, Record
from polybatch.sources.wide_columns import WIDE, is_number, is_word


class Local(Source):
    """Files of the user's own, JSONL, CSV or TSV in UTF-8, copied whole into data/raw."""

    name, own = "local", True
    languages: tuple[str, ...] = ()
    splits = (ALL,)
    licence = "yours"
    citation = homepage = "none"
    revision = "the files' checksums"
    every = True
    """Whether each language has to have a row; else one of them."""

    def check(self, languages: Sequence[str], splits: Sequence[str]) -> None:
        """Accept any language and split: the files decide, and `read` says what they lack."""

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Copy the files of `sources.<name>.folder`; the manifest has their checksums.

        Raises:
            InputError: no file of rows, a link or pipe, a mapping of columns or a name of no use.
        """
        assert self.settings is not None
        assert self.settings.folder is not None
        columns = _mapping(self.name, self.settings.columns or ())
        files = copy_files(Path(self.settings.folder), folder, self.name)
        check_names(files, self.name)
        own = Path(self.settings.folder)
        if not sum(is_table(own / file["path"]) for file in files):
            raise InputError(own, "no file of rows", ".jsonl, .csv or .tsv", "Put yours there")
        Manifest(
            source=self.name,
            licence=self.licence,
            columns=columns,
            folder=self.settings.folder,
            files=files,
        ).write(folder)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read the rows of these languages and splits; InputError names file, row and cure."""
        manifest = Manifest.read(folder)
        requested = Languages(languages, self.every)
        entries = Entries(self.name, manifest.columns or {}, requested)
        collected, notes = Collected(self.name, requested, splits), []
        for name in [file["path"] for file in manifest.files]:
            remarks = ["not read, since it is no .jsonl, .csv or .tsv"]
            if is_table(Path(name)):
                with named(folder / "files", manifest.folder, name):
                    remarks = _add_file(folder / "files" / name, name, entries, collected)
            notes += [f"{self.name}: {name}: {note}" for note in remarks]
        entries.check_mapped()
        parsed = collected.parsed(notes)
        unasked = {*parsed.corpus["lang"].unique()} - {*parsed.queries["lang"].unique()}
        more = [*entries.unread.unasked(unasked),
                *item_id_notes(self.name, parsed.queries, parsed.corpus, parsed.qrels)]  # fmt: skip
        return replace(parsed, notes=(*parsed.notes, *more))


def _add_file(path: Path, file: str, entries: Entries, collected: Collected) -> list[str]:
    """Read the rows of a file; return notes about how."""
    collected.begin(file)
    opened, begun = open_rows(path), False
    entries.begin(opened.columns or (_names(path) if entries.mapped else ()))
    if opened.columns:
        entries.check_columns(file, opened.columns)
    for row in opened.rows if opened.columns else _checked(file, opened.rows, entries):
        begun = True
        if isinstance(row, Broken):
            collected.reject(file, row.row, row.reason, row.text)
            continue
        for entry in entries.read(file, *row):
            collected.add(entry)
    notes = list(opened.notes)
    if both := entries.both[file]:
        notes.append(f"{both} rows have an answer and a document; the document is not read")
    for name, lang in entries.left_out.get(file, ()):
        takes = f"question_{lang} and answer_{lang} (or document_{lang})"
        if is_word(lang):
            takes = f"'{lang}' among the languages"
        elif is_number(lang):
            takes = f"`columns: [{name}={name}]` below the source"
        notes.append(f"the column {name} is not read as language '{lang}': that takes {takes}")
    notes += entries.unread.note(file)
    return notes if begun or notes else ["no rows"]


def _names(path: Path) -> set[str]:
    """Return the names that the fields of any row of a file have."""
    rows = (row for row in open_rows(path).rows if not isinstance(row, Broken))
    return {name for _, fields in rows for name in fields}


def _checked(
    file: str, rows: Iterator[Record | Broken], entries: Entries
) -> Iterator[Record | Broken]:
    """Yield rows; InputError if none of the first FIRST_ROWS that have fields has ours."""
    strange: list[tuple[Record, InputError]] = []
    for row in rows:
        if isinstance(row, Broken):
            yield row
        elif error := entries.mistake(file, *row):
            strange.append((row, error))
            if len(strange) == FIRST_ROWS:
                break
        else:
            yield from (each for each, _ in strange)
            yield row
            yield from rows
            return
    if strange:
        raise strange[0][1]


def _mapping(name: str, columns: Sequence[str]) -> dict[str, str]:
    """Return {field: column} of params' `field=column`.

    Example:
        >>> _mapping("local", ["question=Frage", "answer_sw=Jibu"])
        {'question': 'Frage', 'answer_sw': 'Jibu'}
    """
    mapped: dict[str, str] = {}
    for each in columns:
        field, equals, column = each.partition("=")
        wide = WIDE.fullmatch(field)
        if not equals or not column or not (field in FIELDS or (wide and canonical(wide[2]))):
            raise InputError(
                f"sources.{name}.columns",
                f"'{each}'",
                f"field=column, field being one of {', '.join(FIELDS)} (or question_sw, …)",
                "Correct it, for example question=Frage",
            )
        if field in mapped:
            raise InputError(
                f"sources.{name}.columns",
                f"'{field}' twice, as {mapped[field]} and as {column}",
                "one column a field; a file without it is read by the field's own name",
                "Rename the column in one of the files",
            )
        mapped[field] = column
    return mapped
