"""An approximate index as a source of scores: what it does not find is not ranked.

Letters: Q queries, N documents, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from polybatch.core.vectors import Float32, Int64
from polybatch.retrieval.approximate import ApproximateIndex, Hits
from polybatch.retrieval.score_rows import BLOCK_QUERIES, UNSCORED, ScoreRow


@dataclass(frozen=True)
class ApproximateScores:
    """The `depth` best that an index finds for queries (Q, D): in the pool and in each language.

    Rows of the index are those of the dataset's corpus.
    """

    index: ApproximateIndex
    queries: Float32
    depth: int

    @property
    def columns(self) -> Int64:
        """Document n has column n (N,)."""
        return np.arange(self.index.documents.height)

    def of(self, queries: Int64) -> Iterator[ScoreRow]:
        """Yield the scores of each query, a search for every language and one for the pool."""
        languages = sorted(self.index.documents["lang"].unique())
        for first in range(0, len(queries), BLOCK_QUERIES):
            part = queries[first : first + BLOCK_QUERIES]
            vectors = self.queries[part]
            pool = self.index.nearest(vectors, self.depth)
            lists = [self.index.nearest(vectors, self.depth, [lang]) for lang in languages]
            for place, query in enumerate(part.tolist()):
                own = self._row([found[place] for found in lists])
                yield ScoreRow(query, self._row([pool[place]]), own)

    def _row(self, found: list[Hits]) -> Float32:
        scores = np.full(self.index.documents.height, UNSCORED)
        for hits in found:
            scores[hits.rows] = hits.scores
        return scores
