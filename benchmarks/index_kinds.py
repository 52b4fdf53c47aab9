"""Approximate indexes of many documents: building, memory, and what each language loses.

    python benchmarks/index_kinds.py --kind ivf-pq --search nprobe=32    # a million of 512
    python benchmarks/index_kinds.py --kind hnsw --search efSearch=64 --documents 20000

Vectors are made up: topics, languages apart from each other, noise; the largest language has 60% of
the documents, the smallest 1%. Real ones are distributed otherwise, so losses here show which
languages lose first and what a search parameter costs, not what a study will lose: that is
results/index.md. A question is the noisy copy of a document, which is its answer. Ten million
documents are not built: the seconds are those of a line through a quarter and the whole, which is
fair where the sample is at most a quarter, and too few for graphs ("no line" where the quarter took
as long: other work ran beside it).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

from polybatch.core.randomness import stream
from polybatch.core.vectors import Float32
from polybatch.retrieval.approximate import ApproximateIndex, build_approximate, factory_of
from polybatch.retrieval.approximate_folder import open_approximate, save_approximate
from polybatch.retrieval.index import Index
from polybatch.settings.index import IndexSettings

SHARES = {"en": 0.6, "es": 0.2, "ar": 0.1, "sw": 0.06, "yo": 0.03, "ha": 0.01}
BLOCK = 50_000


def _unit(rows: Float32) -> Float32:
    unit: Float32 = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


class World:
    """Made-up documents, block by block, the same for the same numbers."""

    def __init__(self, documents: int, dimensions: int) -> None:
        chance = stream("index kinds", documents, dimensions)
        self.dimensions = dimensions
        self.langs = chance.choice(len(SHARES), documents, p=[*SHARES.values()])
        self.topic_of = chance.integers(0, max(1, documents // 50), documents)
        self._topics = self._normal("topics", self.topic_of.max() + 1)
        self._langs = self._normal("languages", len(SHARES))

    def _normal(self, name: object, count: int) -> Float32:
        chance = stream("index kinds", name)
        return _unit(chance.standard_normal((count, self.dimensions), np.float32))

    def block(self, first: int) -> Float32:
        """Return the documents from `first` on, at most BLOCK."""
        rows = slice(first, first + BLOCK)
        noise = self._normal(first, len(self.langs[rows]))
        langs = 0.7 * self._langs[self.langs[rows]]
        return _unit(self._topics[self.topic_of[rows]] + langs + noise)

    def questions(self, flat: faiss.IndexFlatIP, each: int) -> tuple[np.ndarray, Float32]:
        """Return answers (rows), as many in every language, and noisy copies of them."""
        chance = stream("index kinds", "questions")
        rows = [np.flatnonzero(self.langs == code) for code in range(len(SHARES))]
        answers = np.concatenate([chance.choice(one, min(each, len(one)), False) for one in rows])
        copies = flat.reconstruct_batch(answers) + 1.2 * self._normal("copies", len(answers))
        return answers, _unit(copies)


def _build(
    world: World, flat: faiss.IndexFlatIP, settings: IndexSettings, threads: int
) -> tuple[ApproximateIndex, float]:
    names = np.array([*SHARES])[world.langs[: flat.ntotal]].tolist()
    index = Index(flat, tuple(map(str, range(flat.ntotal))))
    start = time.perf_counter()
    built = build_approximate(index, names, settings, "", threads)
    return built, time.perf_counter() - start


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _losses(world: World, flat: faiss.IndexFlatIP, found: ApproximateIndex, each: int) -> None:
    """Print, of each language, what is found of the answers and of the exact ten best."""
    answers, questions = world.questions(flat, each)
    print("R@10 exact, approximate, share of the exact ten that is found: in the pool | alone")
    for code, lang in enumerate(SHARES):
        mine = world.langs[answers] == code
        cells = []
        for chosen in ((), (lang,)):
            allowed = np.flatnonzero(world.langs == code) if chosen else np.arange(flat.ntotal)
            only = faiss.SearchParameters()
            only.sel = faiss.IDSelectorBatch(allowed)
            exact = flat.search(questions[mine], 10, params=only)[1]
            near = [hits.rows for hits in found.nearest(questions[mine], 10, chosen)]
            pairs = [*zip(answers[mine], exact, near, strict=True)]
            hit = np.mean([answer in rows for answer, rows, _ in pairs])
            other = np.mean([answer in rows for answer, _, rows in pairs])
            same = np.mean([np.isin(rows, some).mean() for _, rows, some in pairs])
            cells.append(f"{100 * hit:5.1f} {100 * other:5.1f} {100 * same:5.1f}")
        print(f"{lang:8} {np.count_nonzero(world.langs == code):10,} | {cells[0]} | {cells[1]}")


def _milliseconds(folder: Path, questions: Float32) -> float:
    """Return the median time of one question, from the file that is mapped."""
    mapped, took = open_approximate(folder), []
    for row in questions:
        start = time.perf_counter()
        mapped.nearest(row[None], 10)
        took.append(time.perf_counter() - start)
    return 1000 * float(np.median(took))


def _report(
    world: World, flat: faiss.IndexFlatIP, found: ApproximateIndex, seconds: tuple[float, float]
) -> None:
    """Print seconds (of a quarter, of the whole), memory and size, and ten million on paper."""
    count, (least, whole) = flat.ntotal, seconds
    with tempfile.TemporaryDirectory() as place:
        save_approximate(found, Path(place))
        size = (Path(place) / "index.faiss").stat().st_size
        took = _milliseconds(Path(place), world.questions(flat, 20)[1])
    slope = (whole - least) / (count - count // 4)
    minutes = f"{(whole + slope * (1e7 - count)) / 60:.0f} minutes" if slope > 0 else "no line"
    print(f"{found.made.factory}, search {found.made.search}, sample {found.made.sample:,}")
    print(f"{count:,} x {flat.d}: built in {whole:.1f} s, a quarter of it in {least:.1f} s")
    print(f"{size / 1e6:.0f} MB, {size / count:.0f} bytes a document; a question {took:.2f} ms")
    print(f"10,000,000 on paper: {minutes}, {size / count / 100:.1f} GB")


def main() -> None:
    """Read the arguments and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", default="ivf-pq")
    parser.add_argument("--search", default="nprobe=32")
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--sample", type=int, default=160_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=int, default=200, help="of every language")
    given = parser.parse_args()
    factory = factory_of(given.kind, given.documents, given.dimensions, given.sample)
    settings = IndexSettings(factory, given.search, given.sample, 0, (10,), None)
    world, flat = World(given.documents, given.dimensions), faiss.IndexFlatIP(given.dimensions)
    quarter, least = given.documents // 4, 0.0
    for first in range(0, given.documents, BLOCK):
        block = world.block(first)
        if flat.ntotal < quarter <= flat.ntotal + len(block):
            flat.add(block[: quarter - first])
            least = _build(world, flat, settings, given.threads)[1]
            block = block[quarter - first :]
        flat.add(block)
    before = _peak()
    found, seconds = _build(world, flat, settings, given.threads)
    print(f"peak {_peak():.2f} GiB, with the vectors; {before:.2f} before the whole was built")
    _report(world, flat, found, (least, seconds))
    _losses(world, flat, found, given.questions)


if __name__ == "__main__":
    main()
