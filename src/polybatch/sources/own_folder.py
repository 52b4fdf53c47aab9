"""What the source `local` makes of a file or folder, before there is a study of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.core.languages import canonical, nearest, quoted_nearest, same_language
from polybatch.settings.data import SourceSettings
from polybatch.sources.collected import ALL
from polybatch.sources.column_names import meant
from polybatch.sources.entries import FIELDS
from polybatch.sources.local import Local
from polybatch.sources.source import Parsed, RemoteFile
from polybatch.sources.user_files import is_table, open_rows
from polybatch.sources.user_folder import named, own_files
from polybatch.sources.user_rows import Broken
from polybatch.sources.wide_columns import is_lone, is_number, is_word, may_be_code, wide_columns

_NAMED = 5  # words in a message


def contents(path: Path) -> tuple[list[str], list[str]]:
    r"""Return the languages that rows of a file or folder name, and their splits, both sorted.

    Languages by their usual codes, several codes of one by the shortest of them (`en`, not
    `en-US`); a code that names none is left for `read_own` to reject. Splits that differ in case
    alone once, as `read_own` reads them.

    Raises:
        InputError: there is no such path, a file that cannot be read, or no language in any.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "faq.csv"
        >>> _ = path.write_text("item_id,question_sw,question_en,split\n1,Wapi?,Where?,dev\n")
        >>> contents(path)
        (['en', 'sw'], ['dev'])
    """
    if not path.exists():
        expected = "questions and answers: a .csv, .tsv or .jsonl file, or a folder of them"
        raise InputError(path, "no such file or folder", expected, "Name another")
    codes, named_after, splits, seen = set[str](), set[str](), set[str](), set[str]()
    for file in tables(path).values():
        opened = open_rows(file)
        layouts = {opened.columns or ()}
        for row in opened.rows:
            if not isinstance(row, Broken):
                _, fields = row
                layouts.add(tuple(fields))
                codes.add(str(fields.get("lang") or ""))
                splits.add(str(fields.get("split") or "").strip())
        for names in layouts:
            seen.update(names)
            wide = wide_columns({name: name for name in names})
            long = "lang" in names
            named_after.update(
                code for code in wide if not is_word(code) and may_be_code(code, long)
                and not is_lone(code, wide[code], long)
            )  # fmt: skip
    codes |= {code for code in named_after if not is_number(code) or _has_texts(path, code)}
    languages = _distinct(codes)
    if not languages:
        raise _no_language(path, seen, sorted(codes - {""}))
    return languages, sorted({word.casefold(): word for word in sorted(splits - {""})}.values())


def _has_texts(path: Path, code: str) -> bool:
    """Return whether columns such as `question_id` hold more than identifiers: `17`, `q-17`."""
    rows = (row for file in tables(path).values() for row in open_rows(file).rows)
    return any(
        re.fullmatch(r"\S*\d\S*|", str(row[1][name] or "").strip()) is None
        for row in rows
        if not isinstance(row, Broken)
        for name in wide_columns({name: name for name in row[1]}).get(code, {}).values()
    )


def _no_language(path: Path, seen: Collection[str], words: Sequence[str]) -> InputError:
    """Return the error of files of which no language is read.

    `seen`: their columns; `words`: what stands in place of codes.

    Example:
        >>> print(_no_language(Path("faq.csv"), ["lang"], ["English"]))
        faq.csv: found 'English' in place of language codes, ... For 'English' write 'en'.
        >>> _no_language(Path("faq.csv"), ["item_id", "Lang"], []).do
        "Did you mean 'Lang'? Rename it, or add the codes"
    """
    if words:
        shown = [word[:40] for word in words[:_NAMED]]
        near = next((f"For '{word}' write {quoted_nearest(word)}" for word in shown
                     if nearest(word)), "Write the codes")  # fmt: skip
        return InputError(
            path,
            f"{', '.join(map(repr, shown))} in place of language codes",
            "BCP-47, such as sw or pt-BR",
            near,
        )
    others = sorted(name for name in seen if name not in FIELDS)
    mean = meant("lang", others) or meant("question_sw", others)
    cure = "Add the codes, or name a folder of .csv, .tsv or .jsonl files"
    if {"query-id", "corpus-id"}.issubset(seen):
        cure = "BEIR's form is read by the source beir of a study: docs/bring-your-own.md"
    return InputError(
        path,
        f"no row with a language (columns: {', '.join(sorted(seen)) or 'none'})",
        "a column lang, or columns such as question_sw and answer_sw",
        f"{mean}Rename it, or add the codes" if mean else cure,
    )


def _distinct(codes: Iterable[str]) -> list[str]:
    """Return the usual code of each language that is named, the shortest of several.

    Example:
        >>> _distinct(["zh-CN", "en-US", "zh-Hans", "en", "en-GB", "english"])
        ['en', 'en-GB', 'zh-CN']
    """
    usual = {found for code in codes if (found := canonical(code))}
    languages: list[str] = []
    for code in sorted(usual, key=lambda code: (len(code), code)):
        languages += [code] * (same_language(code, languages) is None)
    return sorted(languages)


def tables(path: Path) -> dict[Path, Path]:
    """Return the files with rows by their path in the folder; a file by its name.

    Raises:
        InputError: a file that may hold data in a form that is not read.
    """
    if path.is_file():
        return {Path(path.name): path}
    return {inside: path / inside for inside in own_files(path) if is_table(path / inside)}


def read_own(
    path: Path, languages: Sequence[str], splits: Sequence[str], every: bool = True
) -> Parsed:
    r"""Read a file or folder as `sources.local` reads its folder; nothing is written there.

    `every`: whether each language has to have a row; else one of them.

    Raises:
        InputError: what ends the stages download and validate, too.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "faq.csv"
        >>> _ = path.write_text("item_id,lang,question,answer\n1,sw,Wapi?,Hapa.\n2,sw,Lini?,\n")
        >>> found = read_own(path, ["sw"], [])
        >>> found.queries["text"].to_list(), found.rejected["text"].to_list()
        (['Wapi?'], ['Lini?'])
    """
    with tempfile.TemporaryDirectory() as place:
        folder, raw = path, Path(place) / "raw"
        if path.is_file():
            folder = Path(place) / "given"
            folder.mkdir()
            (folder / path.name).symlink_to(path.resolve())
        raw.mkdir()
        chosen = SourceSettings(tuple(languages), (ALL, *splits), str(folder))
        own = Local()
        own.every = every
        source = own.of(chosen)
        with named(folder, str(path.parent if path.is_file() else path)):
            source.download(raw, chosen.languages, chosen.splits, _nothing)
            return source.read(raw, chosen.languages, chosen.splits)


def _nothing(file: RemoteFile, path: Path) -> None:
    raise AssertionError(f"{file.path} is not fetched: the files are the user's own")
