"""What a plan shows its strategy: languages, lengths and kinds of targets, beside one another.

Strategies may be compared where these agree, or differ by what the strategies are named after.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from polybatch.sources.sentences import spans


def exposure(table: pl.DataFrame, texts: pl.DataFrame) -> dict[str, Any]:
    """Return the questions and documents per language, characters, and one-sentence targets.

    `table`: plans.PLAN; `texts`: of its rows (`plans.plan_texts`). `one_sentence_targets`: share
    of the pairs whose document is a single sentence (`sentences.spans`), null without pairs.

    Example:
        >>> table = pl.DataFrame({"query_lang": ["en", "sw"], "doc_lang": ["en", "en"]})
        >>> texts = pl.DataFrame({"query_text": ["Who?", "Nani?"],
        ...                       "doc_text": ["Poe.", "Poe. He left."]})
        >>> found = exposure(table, texts)
        >>> found["documents"], found["characters"], found["one_sentence_targets"]
        ({'en': 2}, {'query': 9, 'document': 17}, 0.5)
    """
    sides = {"query": "query_text", "document": "doc_text"}
    return {
        "questions": dict(sorted(Counter(table["query_lang"]).items())),
        "documents": dict(sorted(Counter(table["doc_lang"]).items())),
        "characters": {
            side: int(texts[column].str.len_chars().sum()) for side, column in sides.items()
        },
        "one_sentence_targets": _one_sentence(table["doc_lang"], texts["doc_text"]),
    }


def _one_sentence(langs: pl.Series, texts: pl.Series) -> float | None:
    if not len(texts):
        return None
    times = Counter(zip(langs, texts, strict=True))
    single = sum(n for (lang, text), n in times.items() if len(spans(text, lang)) <= 1)
    return round(single / len(texts), 4)
