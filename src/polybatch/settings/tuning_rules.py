"""What the section `tuning` may say, and on which data: never on an evaluation dataset."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from polybatch.settings.tuning import TuningSettings, space_of

if TYPE_CHECKING:
    from polybatch.settings.config import Config

Mistakes = Iterator[tuple[str, str, str, str]]


def mistakes(config: Config) -> Mistakes:
    """Yield what is wrong with a study that tunes; nothing where it tunes nothing."""
    if config.tuning is not None:
        yield from _heldout(config)
        yield from _numbers(config.tuning)
        yield from _spaces(config, config.tuning)
        if config.study.tuned is not None:
            yield (
                "study.tuned",
                f"'{config.study.tuned}' in a study that tunes",
                "no such key: a search begins with the values of this file",
                "Remove it, or the section tuning",
            )


def _heldout(config: Config) -> Mistakes:
    for name, searched in config.used_for("evaluate").items():
        parts = [
            dataclasses.replace(trained, use="evaluate", part="heldout")
            for trained in config.used_for("train").values()
            if trained.part == "train"
        ]
        if searched not in parts:
            yield (
                f"datasets.{name}",
                f"an evaluation dataset ({searched.source}, part: {searched.part}) that tuning"
                " would choose settings on",
                "held-out articles of the training data alone: part: heldout of what a dataset"
                " with use: train takes as part: train, all other keys the same",
                "Evaluate in a study of its own, which names this one by study.tuned",
            )


def _numbers(tuning: TuningSettings) -> Mistakes:
    spaces = {"training": tuning.training, "adaptation": tuning.adaptation}
    for key, space in spaces.items():
        there = math.prod(len(values) for values in space_of(space).values()) if space else None
        if there is not None and there < tuning.trials:
            yield (
                f"tuning.{key}",
                f"{there} different settings",
                f"at least tuning.trials ({tuning.trials}), so that every strategy has as many",
                "Add values, or lower tuning.trials",
            )


def _spaces(config: Config, tuning: TuningSettings) -> Mistakes:
    rows = config.strategies.values()
    if all(row.batches == "none" for row in rows):
        yield "tuning", "no strategy that is trained", "one at least", "Add one to strategies"
    adapts, mixes = config.adaptation is not None, any(row.batches == "hybrid" for row in rows)
    if adapts != (tuning.adaptation is not None):
        yield (
            "tuning.adaptation",
            "nothing" if adapts else "values",
            "values where a strategy starts from dapt" if adapts else "no such key: none adapts",
            "Add them" if adapts else "Remove it, or add a strategy that starts from dapt",
        )
    if tuning.cross_ratio is not None and not mixes:
        expected = "no such key: no strategy has hybrid batches"
        yield "tuning.cross_ratio", "values", expected, "Remove it, or add such a strategy"
