"""How many batches each ordered pair of languages gets: unbiased controlled rounding.

Shares are fractions of a batch; whole batches are drawn so that each number is its requested
share rounded down or up, sums over languages and kinds too, and the expectation over seeds of
every number is exactly its share (Cox 1987, "A constructive procedure for unbiased
controlled rounding"; here on a circulation, which holds more sums than a table's margins).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from polybatch.core.languages import LanguagePair

Shares = dict[LanguagePair, float]
Node = tuple[object, ...]
Arc = tuple[Node, Node]

_ONE = 2**52
"""One batch. Flows are whole multiples of 1 / _ONE, so that their sums are exact."""


def blocks_of(steps: int, budgets: Sequence[int]) -> list[int]:
    """Return the steps of each block of a study's longest plan: a block ends where a budget does.

    `steps`: those of one strategy; `budgets`: those of all.

    Example:
        >>> blocks_of(80, [120, 80]), blocks_of(120, [80, 120]), blocks_of(80, [])
        ([80, 40], [80, 40], [80])
    """
    ends = sorted({steps, *budgets})
    return [end - start for start, end in pairwise([0, *ends])]


def apportion(
    shares: Mapping[LanguagePair, float], blocks: Sequence[int], chance: np.random.Generator
) -> list[dict[LanguagePair, int]]:
    """Return, for each block of a plan, how many of its `blocks[k]` units each pair gets.

    Each of these is its share, rounded down or up, and has it as its expectation: a pair's
    number in a block; of one kind in a block, all of a document language, all of a query language
    and all together; all of a query language in a block, and from the start to a block's end.

    Example:
        >>> shares = {LanguagePair("de", "de"): 0.5, LanguagePair("de", "sw"): 0.25,
        ...           LanguagePair("sw", "de"): 0.25}
        >>> first, second = apportion(shares, [4, 2], np.random.default_rng(0))
        >>> {str(pair): n for pair, n in first.items()}
        {'de>de': 2, 'de>sw': 1, 'sw>de': 1}
        >>> sum(second.values())
        2
    """
    flow: dict[Arc, int] = defaultdict(int)
    for block, units in enumerate(blocks):
        for pair, value in _exact(shares, units).items():
            for arc in pairwise(_path(pair, block, len(blocks))):
                flow[arc] += value
    rounded = round_circulation(flow, chance)
    return [
        {pair: rounded[_cell(pair, block)] for pair in sorted(shares)}
        for block in range(len(blocks))
    ]


def _path(pair: LanguagePair, block: int, blocks: int) -> list[Node]:
    """Return the nodes that a pair's batches in a block pass; each arc is a sum that is rounded."""
    nodes: list[Node] = [("all",)]
    nodes += [("asked until", k, pair.query) for k in range(blocks - 1, block - 1, -1)]
    nodes += [("asked in", block, pair.query), *_cell(pair, block)]
    nodes += [(pair.kind, block), ("block", block)]
    return [*dict.fromkeys(nodes), ("all",)]


def _cell(pair: LanguagePair, block: int) -> Arc:
    """Return the arc that holds the pair's batches in a block and nothing else."""
    if pair.kind == "mono":
        return ("asked in", block, pair.query), ("mono", block)
    return ("asked across", block, pair.query), ("answered across", block, pair.document)


def _exact(shares: Mapping[LanguagePair, float], units: int) -> dict[LanguagePair, int]:
    """Return `units` divided by the shares, in _ONEs; they sum to `units` without an error."""
    total = sum(shares.values())
    exact = {pair: round(units * share / total * _ONE) for pair, share in sorted(shares.items())}
    if exact:
        exact[max(exact, key=lambda pair: exact[pair])] += units * _ONE - sum(exact.values())
    return exact


def round_circulation(flow: Mapping[Arc, int], chance: np.random.Generator) -> dict[Arc, int]:
    """Return whole batches on every arc, rounded down or up, as much into each node as out of it.

    `flow`: of each arc (from, to), in _ONEs, a circulation. Where an arc at a node is a fraction,
    another one there is too, so fractions form cycles. Along a cycle the flow is moved one way or
    the other until a fraction is gone, with the probabilities that leave expectations as they were.

    Example:
        >>> there, back = (("all",), ("mono",)), (("mono",), ("all",))
        >>> flow = {there: 5 * _ONE // 2, back: 5 * _ONE // 2}
        >>> set(round_circulation(flow, np.random.default_rng(0)).values()) in ({2}, {3})
        True
    """
    arcs, values = list(flow), list(flow.values())
    fractions: dict[Node, dict[int, None]] = defaultdict(dict)
    for arc in chance.permutation(len(arcs)).tolist():
        if values[arc] % _ONE:
            for node in arcs[arc]:
                fractions[node][arc] = None
    for start in list(fractions):
        while fractions[start]:
            cycle = _cycle(start, fractions, arcs)
            _move(values, cycle, chance)
            for arc, _ in cycle:
                if values[arc] % _ONE == 0:
                    for node in arcs[arc]:
                        del fractions[node][arc]
    return {arc: value // _ONE for arc, value in zip(arcs, values, strict=True)}


def _cycle(
    start: Node, fractions: Mapping[Node, Mapping[int, None]], arcs: Sequence[Arc]
) -> list[tuple[int, bool]]:
    """Return a cycle of arcs that are fractions, each with whether it is passed forwards."""
    path: list[tuple[int, bool]] = []
    node, last, visited = start, -1, {start: 0}
    while True:
        last = next(arc for arc in fractions[node] if arc != last)
        forwards = arcs[last][0] == node
        path.append((last, forwards))
        node = arcs[last][forwards]
        if node in visited:
            return path[visited[node] :]
        visited[node] = len(path)


def _move(
    values: list[int], cycle: Sequence[tuple[int, bool]], chance: np.random.Generator
) -> None:
    """Move flow around the cycle, as far as no value passes a whole number."""
    down, up = (
        min(
            _ONE - values[arc] % _ONE if forwards == ahead else values[arc] % _ONE
            for arc, forwards in cycle
        )
        for ahead in (False, True)
    )
    step = up if chance.random() * (up + down) < down else -down
    for arc, forwards in cycle:
        values[arc] += step if forwards else -step
