"""What `dapt` in params.yaml may not say, checked with everything else before any work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from polybatch.core.errors import did_you_mean
from polybatch.settings.adaptation import OBJECTIVES, AdaptationSettings
from polybatch.settings.data import DatasetSettings
from polybatch.settings.overlaps import overlap
from polybatch.settings.strategies import Strategy

_Mistakes = Iterator[tuple[str, str, str, str]]


def mistakes(
    dapt: AdaptationSettings | None,
    datasets: Mapping[str, DatasetSettings],
    strategies: Mapping[str, Strategy],
) -> _Mistakes:
    """Yield key, what was found, what was expected and what to do.

    Example:
        >>> rows = {"dapt-mono": Strategy("dapt", "mono")}
        >>> [(key, found) for key, found, *_ in mistakes(None, {}, rows)]
        [('dapt', 'nothing, and strategies that start from it (dapt-mono)')]
    """
    if dapt is None:
        starting = [name for name, row in strategies.items() if row and row.start == "dapt"]
        if starting:
            yield (
                "dapt",
                f"nothing, and strategies that start from it ({', '.join(starting)})",
                "the settings of the adaptation",
                "Copy the section from a preset that has it, or start from base",
            )
        return
    yield from _numbers(dapt)
    yield from _texts(dapt, datasets)


def _numbers(dapt: AdaptationSettings) -> _Mistakes:
    if dapt.objective not in OBJECTIVES:
        yield (
            "dapt.objective",
            f"'{dapt.objective}'",
            f"one of {', '.join(OBJECTIVES)}",
            did_you_mean(dapt.objective, OBJECTIVES, "Choose one"),
        )
    if dapt.heldout_share and dapt.objective in ("crop", "tsdae"):
        yield (
            "dapt.heldout_share",
            f"{dapt.heldout_share} with the objective '{dapt.objective}'",
            "0.0: held-out text is for the perplexity of mlm, and would only be lost here",
            "Write heldout_share: 0.0",
        )
    if dapt.crop_min_share > dapt.crop_max_share:
        yield (
            "dapt.crop_min_share",
            str(dapt.crop_min_share),
            f"at most crop_max_share ({dapt.crop_max_share})",
            "Exchange them",
        )
    if dapt.checkpoint_every % dapt.log_every:
        yield (
            "dapt.checkpoint_every",
            str(dapt.checkpoint_every),
            f"a multiple of log_every ({dapt.log_every}), or a resumed training would log another"
            " mean",
            "Change one of them",
        )


def _texts(dapt: AdaptationSettings, datasets: Mapping[str, DatasetSettings]) -> _Mistakes:
    for name in dapt.texts:
        text = datasets.get(name)
        if text is None:
            yield (
                "dapt.texts",
                f"'{name}'",
                f"datasets of this file ({', '.join(datasets)})",
                "Add it under datasets, with use: text if nothing else uses it",
            )
            continue
        shared = [
            other
            for other, evaluated in datasets.items()
            if evaluated.use == "evaluate" and overlap(text, evaluated)
        ]
        if shared and not dapt.transductive:
            yield (
                "dapt.texts",
                f"'{name}', which has texts of {', '.join(shared)}",
                "domain text that no evaluation dataset searches",
                "Take other text, other splits, or part: train and part: heldout of one source with"
                " the same heldout_share, languages and splits; or write transductive: true, which"
                " every table will say",
            )
