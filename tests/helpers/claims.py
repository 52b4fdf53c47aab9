"""Sentences about results, and the cells of tables that their numbers are from.

A page below docs/results, or the README, cites a cell in a comment behind what it says of it:

    `hybrid` wins 0.8 [0.6, 1.0]<!-- xquad-r-adapted | hybrid | xquad-r cross --> points.

First the study's folder, then the row's first cells (`hybrid | xquad-r | cross` where a table needs
them), at last a column where that table has one of this name. Signs are the sentence's own.

In place of a study, a file of the repository: of Markdown and CSV a row and column, of YAML and
JSON the keys down to a value, of other text all numbers in it. What stands in no file names what
makes it: `<!-- by benchmarks/leak_pairs.py -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"(?<![\w.,-])[+\-−]?\d[\d,]*(?:\.\d+)?(?![\w-]|\.\d)")
UNITS = re.compile(
    r"(?:arXiv|Python) [\d.]+|"
    r"[\d.,]+(?: to [\d.,]+)?(?:%|(?: |-)(?:GB|MB|cores?|hours?|languages?|minutes?|seconds?)\b)"
)
"""Numbers that are no score: versions, and those with a unit that no table of results has."""
LITERATURE = re.compile(r"(?:arXiv|DVC) [\d.]+|UAX #\d+|(?<=[a-z] )(?:19|20)\d\d(?=[,)])")
"""Numbers that name a paper or a version."""

_CITED = re.compile(r"<!-- ([^>]*?) -->")
_PROSE = re.compile(r"^(?![|#])(?:.|\n(?![|#\n]))+", re.MULTILINE)


@dataclass(frozen=True)
class Claim:
    """What stands before a citation, since the one before it; `cell`: empty where none follows."""

    text: str
    cell: tuple[str, ...] = ()

    @property
    def numbers(self) -> set[str]:
        """The numbers in the text as tables write them, without signs; code and links left out."""
        plain = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", self.text)
        return set(_numbers(plain))


def claims(page: str) -> Iterator[Claim]:
    """Yield what the paragraphs and lists of a page say, piece by piece."""
    for paragraph in _PROSE.finditer(re.sub(r"(?ms)^```.*?^```$", "", page)):
        pieces = _CITED.split(paragraph[0])
        for text, cited in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
            yield Claim(text, tuple(part.strip() for part in cited.split("|") if part.strip()))


def cell(folder: Path, cited: tuple[str, ...]) -> str:
    """Return what a citation names; LookupError where there is no such row."""
    study, *keys = cited
    path = ROOT / study if Path(study).suffix else folder / study / "compare.md"
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".yaml", ".json"):
        value = YAML(typ="base").load(text)  # every scalar as it is written
        for key in keys:
            value = value[key]
        return str(value)
    if path.suffix not in (".md", ".csv"):
        return re.sub(r"(?<=\d)_(?=\d)", ",", text)
    for head, rows in _tables(text) if path.suffix == ".md" else [_lines(text)]:
        for row in rows:
            if row[: len(keys)] == keys:
                return " ".join(row)
            if row[: len(keys) - 1] == keys[:-1] and keys[-1] in head:
                return row[head.index(keys[-1])]
    raise LookupError(f"{' | '.join(cited)}: no such row in {path.name} of {study}")


def _numbers(text: str) -> Iterator[str]:
    for found in NUMBER.findall(text):
        yield found.lstrip("+-−").rstrip(",")


def _lines(text: str) -> tuple[list[str], list[list[str]]]:
    head, *rows = [line.split(",") for line in text.splitlines()]
    return head, rows


def _tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *rows = [
            [part.strip() for part in line.strip("|").split(" | ")] for line in block.splitlines()
        ]
        yield head, rows


def unsupported(page: str, folder: Path, plain: re.Pattern[str] | None = None) -> list[str]:
    """Return one line per number that no table holds, and per citation that leads nowhere.

    `plain`: what is no claim, `UNITS` on pages that say more than results.
    """
    found = []
    for claim in claims(plain.sub(" ", page) if plain else page):
        held: set[str] = set()
        if claim.cell and claim.cell[0].startswith("by "):
            maker = claim.cell[0].removeprefix("by ").split()[0]
            found += [] if (ROOT / maker).is_file() else [f"{maker}: no such file"]
            continue
        if claim.cell:
            try:
                held = set(_numbers(cell(folder, claim.cell)))
            except (LookupError, OSError) as error:
                found.append(str(error))
                continue
        found += [f"{one} in '{claim.text.strip()[-80:]}'" for one in sorted(claim.numbers - held)]
    return found
