"""A file such as a user brings, to try the whole way with: `python -m polybatch.sources.example`.

Questions and answers about countries in three languages, from the source `cldr`, in the long format
of the source `local`.
"""

from __future__ import annotations

import csv
import io
import sys
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


if __name__ == "__main__":
    _path = Path(sys.argv[1])
    _path.parent.mkdir(parents=True, exist_ok=True)
    _path.write_text(example(), encoding="utf-8")
