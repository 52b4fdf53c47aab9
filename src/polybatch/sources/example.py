"""A file such as a user brings, to try the whole way with: `python -m polybatch.sources.example`.

Questions and answers about countries in three languages, from the source `cldr`, in the long format
of the source `local`.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from polybatch.sources.cldr import write

LANGUAGES = ("de", "en", "sw")
_TERRITORIES = 60


def example() -> str:
    """Return CSV with the columns item_id, lang, question, answer, group.

    Example:
        >>> example().splitlines()[0]
        'item_id,lang,question,answer,group'
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["item_id", "lang", "question", "answer", "group"])
    for lang in LANGUAGES:
        rows = list(write(lang))
        wanted = sorted({row["territory"] for row in rows})[:_TERRITORIES]
        for row in rows:
            if row["territory"] in wanted:
                place = row["item_id"].removeprefix("cldr:")
                writer.writerow([place, lang, row["question"], row["document"], row["territory"]])
    return stream.getvalue()


def main(arguments: Sequence[str]) -> int:
    """Write the example to the path that is given; refuse to write over what is not the example."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m polybatch.sources.example <file>.csv", file=sys.stderr)
        return 2
    path, text = Path(arguments[0]), example()
    try:
        if path.exists() and path.read_bytes() != text.encode():
            print(f"{path} is there and is not the example; remove it first", file=sys.stderr)
            return 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        print(f"{path}: {error.strerror}; name a file to write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
