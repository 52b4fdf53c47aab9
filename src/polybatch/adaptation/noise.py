"""What an adaptation makes of a document: a span of it, a damaged copy, masked sequences."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from polybatch.batches.pairs import Int64

# Scripts written without spaces between words: there each character is a piece.
_SPACELESS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_PIECE = re.compile(f"[{_SPACELESS}][^\\s{_SPACELESS}\\w]*|[^\\s{_SPACELESS}]+")
IGNORED = -100
"""A label that losses ignore: torch's `ignore_index`."""


def pieces(text: str) -> list[tuple[int, int]]:
    """Return start and end of each word; each character of a script without spaces is one.

    Example:
        >>> [text[a:b] for text in ("Où est-il ?", "東京と Kyoto。") for a, b in pieces(text)]
        ['Où', 'est-il', '?', '東', '京', 'と', 'Kyoto。']
    """
    return [match.span() for match in _PIECE.finditer(text)]


def crop(text: str, low: float, high: float, chance: np.random.Generator) -> str:
    """Return a random span of whole pieces: between `low` and `high` of them, at least one.

    Two calls give Contriever's positive pair (Izacard et al., arXiv 2112.09118): the spans may
    overlap, and each is a part of the text as it stands.

    Example:
        >>> crop("a b c d", 0.5, 0.5, np.random.default_rng(0)) in ("a b", "b c", "c d")
        True
    """
    found = pieces(text)
    count = min(len(found), max(1, round(float(chance.uniform(low, high)) * len(found))))
    first = int(chance.integers(len(found) - count + 1))
    return text[found[first][0] : found[first + count - 1][1]]


def delete(text: str, share: float, chance: np.random.Generator) -> str:
    """Return the text without a random `share` of its pieces, of which at least one stays.

    TSDAE's noise (Wang, Reimers, Gurevych, arXiv 2104.06979); the share is met by each text, and
    what stays keeps its order and, where there was any, a space before it.

    Example:
        >>> len(delete("a b c d e", 0.6, np.random.default_rng(0)).split())
        2
    """
    found = pieces(text)
    count = max(1, len(found) - round(share * len(found)))
    kept = np.sort(chance.choice(len(found), count, replace=False))
    spans = [found[i] for i in kept.tolist()]
    words = [" " * text[:a][-1:].isspace() + text[a:b] for a, b in spans]
    return "".join(words).strip()


def pack(documents: Sequence[Sequence[int]], length: int, between: int) -> list[list[int]]:
    """Return sequences of at most `length` token ids that hold every token of `documents` once.

    Whole documents fill a sequence in their order, with the id `between` put between two; one
    that is longer than a sequence is cut.

    Example:
        >>> pack([[1, 2], [3], [4, 5, 6, 7, 8]], 4, 0)
        [[1, 2, 0, 3], [4, 5, 6, 7], [8]]
    """
    packed: list[list[int]] = []
    for document in documents:
        for start in range(0, len(document), length):
            part = list(document[start : start + length])
            if start == 0 and packed and len(packed[-1]) + 1 + len(part) <= length:
                packed[-1] += [between, *part]
            else:
                packed.append(part)
    return packed


def mask(
    ids: Int64, special: Int64, share: float, names: tuple[int, int], chance: np.random.Generator
) -> tuple[Int64, Int64]:
    """Return masked ids and labels, both (L,): BERT's masking (Devlin et al., arXiv 1810.04805).

    `share` of the tokens that are not `special`, rounded, at least one, are to be predicted: of
    these 80% become the mask id, 10% a random one, 10% stay. `names`: mask id, vocabulary.

    Example:
        >>> ids = np.array([0, 5, 6, 7, 8, 1])
        >>> masked, labels = mask(ids, np.array([0, 1]), 0.5, (4, 100), np.random.default_rng(0))
        >>> int((labels != IGNORED).sum()), masked[[0, -1]].tolist()  # half of four, never an end
        (2, [0, 1])
    """
    mask_id, vocabulary = names
    free = np.flatnonzero(~np.isin(ids, special))
    count = min(len(free), max(1, round(share * len(free))))
    chosen = chance.permutation(free)[:count]
    labels = np.full_like(ids, IGNORED)
    labels[chosen] = ids[chosen]
    masked, draw = ids.copy(), chance.random(count)
    masked[chosen[draw < 0.8]] = mask_id
    random = chosen[(draw >= 0.8) & (draw < 0.9)]
    masked[random] = chance.integers(vocabulary, size=len(random))
    return masked, labels
