r"""Texts as words, or as n-grams where a script has no spaces between words: what BM25 counts.

Texts are normalised (NFKC) and lowercased, nothing is stemmed and no word is left out. A word is a
run of word characters of Unicode (UTS #18's \w: letters, their marks, digits). In such a run,
scripts without spaces are cut into overlapping n-grams of what a reader sees as one character
(UAX #29's grapheme clusters): one and two of Chinese, Japanese and Korean, two and three of Thai,
Lao, Khmer and Burmese. The script decides, not the language, so that a name in Latin letters is the
same word in a Thai text and in an English one. Reasons: docs/decisions/lexical.md.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache

import regex

from polybatch.core.errors import InputError
from polybatch.validation.scripts import script_of

_EAST = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\u30fc"  # the last: a long vowel
_SOUTH_EAST = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_NGRAMS = ((_EAST, (1, 2)), (_SOUTH_EAST, (2, 3)))
_RUNS = regex.compile(
    rf"(?V1)([{_EAST}]+)|([{_SOUTH_EAST}]+)|([\w--[{_EAST}{_SOUTH_EAST}]]+)"
)  # fmt: skip
_CLUSTER = regex.compile(r"\X")

WORDS, SYLLABLES = "words", "syllables"
EAST_NGRAMS, SOUTH_EAST_NGRAMS = "characters, one and two", "characters, two and three"

_SPACED = (
    "Latn Cyrl Grek Arab Hebr Armn Geor Ethi Deva Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh "
    "Thaa Syrc Tfng Nkoo Cher Cans Mong Olck Mtei Vaii Adlm Osge Rohg Bamu Copt Goth"
)
_TOKENIZERS = {
    **dict.fromkeys(_SPACED.split(), WORDS),
    "Tibt": SYLLABLES,
    **dict.fromkeys(("Hans", "Hant", "Hani", "Jpan", "Hrkt", "Kore", "Hang"), EAST_NGRAMS),
    **dict.fromkeys(("Hira", "Kana", "Bopo", "Hanb"), EAST_NGRAMS),
    **dict.fromkeys(("Thai", "Laoo", "Khmr", "Mymr"), SOUTH_EAST_NGRAMS),
}
"""Of each script (ISO 15924). Tibetan marks the end of each syllable, which parts them."""

_TURKIC = str.maketrans({"I": "ı", "İ": "i"})
_DOTLESS = frozenset({"tr", "az", "crh", "tt"})


@cache
def tokenizer_of(lang: str) -> str:
    """Return the name of how texts in a language are cut; InputError if its script is not known.

    Example:
        >>> [tokenizer_of(lang) for lang in ("sw", "zh-Hant", "th")]
        ['words', 'characters, one and two', 'characters, two and three']
    """
    script = script_of(lang)
    if script in _TOKENIZERS:
        return _TOKENIZERS[script]
    raise InputError(
        f"BM25, language {lang}",
        f"the script {script}" if script else "a language whose script CLDR does not have",
        "a script with spaces between words, or one that has n-grams"
        " (polybatch.retrieval.tokenization)",
        "Remove the row from `lexical` and its fusions, or the language from the datasets",
    )


def spaced(langs: Iterable[str]) -> set[str]:
    """Return those of the languages whose words stand between spaces.

    Example:
        >>> sorted(spaced(["sw", "zh", "th", "ko"]))
        ['sw']
    """
    return {lang for lang in langs if _TOKENIZERS.get(script_of(lang) or "") == WORDS}


def tokenize(text: str, lang: str) -> list[str]:
    """Return what BM25 counts of a text, in the order of the text.

    Example:
        >>> tokenize("L'Été in 東京都", "fr")
        ['l', 'été', 'in', '東', '京', '都', '東京', '京都']
    """
    text = unicodedata.normalize("NFKC", text)
    # Lowercasing as English does would part "Işık" at a line's start from "ışık" inside it.
    lower = (text.translate(_TURKIC) if lang.split("-")[0] in _DOTLESS else text).lower()
    tokens: list[str] = []
    for found in _RUNS.finditer(lower):
        run = found[0]
        if found.lastindex == 3:
            tokens.append(run)
        else:
            tokens += _ngrams(run, _NGRAMS[found.lastindex - 1][1])
    return tokens


def _ngrams(run: str, sizes: tuple[int, int]) -> list[str]:
    """Return the n-grams of a run of clusters; the whole run where it is shorter than the first."""
    clusters = _CLUSTER.findall(run)
    if len(clusters) < sizes[0]:
        return [run]
    return ["".join(clusters[i : i + n]) for n in sizes for i in range(len(clusters) - n + 1)]
