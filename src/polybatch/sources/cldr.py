"""The default source: templated questions about territories, written from Unicode CLDR data.

A parallel corpus that needs no network and shows in minutes that everything works. It is made
from templates and says so: scores on it show that a pipeline runs, not which strategy is best on
real text. Names are put in unchanged, so templates use wordings that inflect nothing. A row is a
line of a split that is requested: a question with its document.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from ruamel.yaml import YAML

from polybatch.core.errors import InputError
from polybatch.sources.cldr_facts import Namer, facts
from polybatch.sources.source import Document, Fetch, Parsed, Place, Query, Rows, Source

_FIELDS = ("item_id", "doc_id", "territory", "split", "question", "document")
_TRAIN_SHARE = 0.9  # of the territories
_NOTE = (
    "cldr: templated text written from Unicode CLDR data; it proves the pipeline, not a strategy"
)


class Cldr(Source):
    """Facts about territories in 17 languages, six of them underrepresented.

    `train` and `test` share no territory, so no document about a test territory is ever trained on.
    """

    name = "cldr"
    languages = (
        "ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh",
        "am", "ha", "ig", "sw", "yo", "zu",
    )  # fmt: skip
    splits = ("train", "test")
    licence = "Unicode License v3 (data), Apache-2.0 (templates)"
    citation = "Unicode CLDR through Babel"
    homepage = "https://cldr.unicode.org"
    revision = f"Babel {version('babel')}"

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return that the text is templated."""
        return (_NOTE,)

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Write `facts-<lang>.jsonl` for each language; nothing is fetched."""
        for lang in languages:
            lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for row in write(lang)]
            path = folder / f"facts-{lang}.jsonl"
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.write_manifest(folder, splits, ())

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read the rows of the requested splits."""
        rows = Rows()
        for lang in languages:
            for number, row in _lines(folder / f"facts-{lang}.jsonl"):
                if row["split"] in splits:
                    rows.read(f"facts-{lang}.jsonl")
                    _add(rows, row, lang, number)
        return rows.parsed(self.notes(splits))


def write(lang: str) -> list[dict[str, str]]:
    """Return all questions and documents of one language, in the order of their ids.

    Example:
        >>> [row["document"] for row in write("en") if row["item_id"] == "cldr:JP.currency"]
        ['In the country Japan, the currency in use is this: Japanese Yen.']
    """
    namer, wordings = Namer(lang), templates(lang)
    rows = []
    for fact in facts():
        names = namer.names(fact)
        if names is None:
            continue
        document_kind = "currency" if fact.kind == "currency_territory" else fact.kind
        rows.append(
            {
                "item_id": f"cldr:{fact.territory}.{fact.kind}",
                "doc_id": f"cldr:{fact.territory}.{document_kind}:{lang}",
                "territory": fact.territory,
                "split": split_of(fact.territory),
                "question": wordings["questions"][fact.kind].format(**names),
                "document": wordings["documents"][document_kind].format(**names),
            }
        )
    return sorted(rows, key=lambda row: row["item_id"])


def split_of(territory: str) -> str:
    """Return `train` or `test`, by the SHA-256 of the territory's code only.

    Example:
        >>> split_of("KE") in ("train", "test")
        True
    """
    draw = int.from_bytes(hashlib.sha256(f"cldr/{territory}".encode()).digest()[:8], "big") / 2**64
    return "train" if draw < _TRAIN_SHARE else "test"


@cache
def templates(lang: str) -> dict[str, dict[str, str]]:
    """Return `questions` and `documents` of a language, by kind of fact.

    Example:
        >>> sorted(templates("sw"))
        ['documents', 'questions']
    """
    path = files("polybatch.sources") / "cldr_templates" / f"{lang}.yaml"
    found: dict[str, dict[str, str]] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return found


def _lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        lines = enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        found = [(number, json.loads(line)) for number, line in lines if line]
        for _, row in found:
            if any(not isinstance(row[name], str) for name in _FIELDS):
                raise TypeError("a value that is no text")
            if row["split"] not in Cldr.splits:
                raise ValueError(f"the split '{row['split'][:20]}'")
        return found
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(
            path,
            f"{type(error).__name__} ({error})",
            "facts, one JSON object a line",
            "Write it again: `dvc repro -f -s download@cldr`",
        ) from error


def _add(rows: Rows, row: dict[str, str], lang: str, number: int) -> None:
    question, document, item_id = row["question"], row["document"], row["item_id"]
    place = Place("cldr", f"facts-{lang}.jsonl", number, lang, item_id, question)
    if not question.strip() or not document.strip():
        rows.reject(place, "empty text")
        return
    query = Query(f"{item_id}:{lang}?", item_id, lang, question, row["split"])
    group = f"cldr:{row['territory']}"
    kind = row["doc_id"].partition(".")[2].partition(":")[0]  # empty in a file that was changed
    template = f"cldr:{kind}" if kind else None
    rows.add(place, query, Document(row["doc_id"], lang, document, None, group, None, template))
