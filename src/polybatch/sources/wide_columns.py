"""Columns of a table with a language in their name: `question_sw`, `answer_sw`, ..."""

from __future__ import annotations

import re
from collections.abc import Mapping

from polybatch.core.languages import canonical, nearest

TEXTS = ("question", "answer", "document")
WIDE = re.compile(rf"({'|'.join(TEXTS)})_(.+)")
_NUMBERS = ("id", "key", "no", "nr", "num")  # codes that are also words for an identifier
_WORDS = (
    "all alt any bak bow bpe cls cnt doc dup emb end err ids int lem len llm log low max mod neg "
    "new old one org pos pre raw ref seq set src str sub sum tag tgt tmp tok trg tst two txt uri "
    "url val vec ver"
)
"""What names of columns end in, most of it codes of small languages as well."""


def wide_columns(fields: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return {language code: {field: column}} of a wide table. `fields`: {column: field}.

    Example:
        >>> wide_columns({"item_id": "item_id", "Frage": "question_de", "title_de": "title_de"})
        {'de': {'question': 'Frage'}}
    """
    found: dict[str, dict[str, str]] = {}
    for name in sorted(fields):
        if wide := WIDE.fullmatch(fields[name]):
            found.setdefault(wide[2], {})[wide[1]] = name
    return found


def is_lone(lang: str, columns: Mapping[str, str], long: bool) -> bool:
    """Return whether columns named after a language are most likely no texts in it.

    Beside a column `lang` (`long`) a question and what answers it have to stand together, and
    `question_id` and `document_id` are identifiers, not Indonesian. In other tables a text may be
    the only one in its language, but `document_id` alone is an identifier.

    Example:
        >>> is_lone("id", {"document": "document_id"}, long=False)
        True
        >>> is_lone("id", {"question": "question_id", "answer": "answer_id"}, long=False)
        False
        >>> is_lone("id", {"question": "question_id", "answer": "answer_id"}, long=True)
        True
    """
    if is_whole(columns):
        return long and is_number(lang)
    return long or is_number(lang)


def is_number(lang: str) -> bool:
    """Return whether columns named so are most likely identifiers: `document_id`, `answer_no`."""
    return lang.casefold() in _NUMBERS


def is_word(lang: str) -> bool:
    """Return whether columns named so are texts only where their language is requested.

    Example:
        >>> is_word("raw"), is_word("sw")
        (True, False)
    """
    return lang.casefold() in _WORDS.split()


def may_be_code(lang: str, long: bool) -> bool:
    """Return whether columns named so are texts in a language, or their code is a mistake.

    `question_html` is no text in a language, `question_english` one whose rows are to be rejected
    with the code that was meant. Beside a column `lang` (`long`) it takes a code.

    Example:
        >>> [may_be_code(lang, long=False) for lang in ("sw", "english", "xx", "html")]
        [True, True, True, False]
    """
    if canonical(lang) is not None:
        return True
    return not long and (len(lang) < 4 or nearest(lang) is not None)


def is_whole(columns: Mapping[str, str]) -> bool:
    """Return whether a language has a column of questions and one of what answers them."""
    return "question" in columns and len(columns) > 1
