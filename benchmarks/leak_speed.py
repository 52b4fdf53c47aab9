"""Time and memory of looking for texts that stand inside others (processor time, on one core).

    python benchmarks/leak_speed.py [training texts] [evaluation texts]

Texts are sentences of made words whose frequencies fall as those of a language (Zipf 1949). Known
leaks are put in: sentences of evaluation passages, and passages that hold an evaluation sentence.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import polars as pl

from polybatch.validation.containment import Contained, Containment

WORDS, LEAKS = 50_000, 1_000


def main(training: int, evaluation: int) -> None:
    draw = np.random.Generator(np.random.PCG64(14))
    letters = np.array(list("aaaeeeiiooubcdfghklmnnprrssttvwyz"))
    words = ["".join(draw.choice(letters, draw.integers(2, 11))) for _ in range(WORDS)]
    chance = 1 / np.arange(3, WORDS + 3)
    chance /= chance.sum()

    def sentences(count: int) -> list[str]:
        drawn = draw.choice(WORDS, (count, 14), p=chance)
        return [" ".join([words[word] for word in row]) for row in drawn.tolist()]

    theirs = [" ".join(sentences(4)) for _ in range(evaluation // 2)]
    theirs += sentences(evaluation - len(theirs))
    ours = sentences(training)
    places = draw.permutation(training)[: 2 * LEAKS]
    for number, place in enumerate(places):
        if number < LEAKS:  # a sentence of a passage
            ours[place] = " ".join(theirs[number % (evaluation // 2)].split(" ")[14:28])
        else:  # a passage around a sentence
            ours[place] = " ".join([ours[place], theirs[-1 - number % 1000], ours[place - 1]])
    print(f"made: {_peak():.2f} GiB at most", flush=True)
    begin = time.process_time()
    index = Containment(pl.Series(theirs), Contained(0.8, 30))
    built = time.process_time() - begin
    found = {row: other for row, other, _ in index.found(pl.Series(ours))}
    seconds = time.process_time() - begin
    missed = [place for place in places.tolist() if place not in found]
    print(
        f"{training:,} texts against {evaluation:,}: {seconds:.1f} s ({built:.1f} s the index), "
        f"{_peak():.2f} GiB at most; {2 * LEAKS} leaks, {len(missed)} missed, "
        f"{len(found) - 2 * LEAKS + len(missed)} others found"
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main(*(int(each) for each in (sys.argv[1:] or ("1000000", "20000"))))
