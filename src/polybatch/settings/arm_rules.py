"""What the rows of params.yaml that are compared may say: names, and the rows they are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from polybatch.core.errors import did_you_mean
from polybatch.settings.names import name_mistake
from polybatch.settings.strategies import ARM_SECTIONS, BATCH_KINDS, Strategy
from polybatch.settings.training import TrainingSettings

if TYPE_CHECKING:
    from polybatch.settings.config import Config

Mistakes = Iterator[tuple[str, str, str, str]]

PARTS = {
    "merges": (("first", "second"), ("strategies",)),
    "centred": (("of",), ("strategies", "merges")),
    "fusions": (("first", "second"), tuple(name for name in ARM_SECTIONS if name != "fusions")),
}
"""Of each section whose rows are made of others: the keys that name them, and where they stand."""


def _rows(config: Config, sections: Collection[str] = ARM_SECTIONS) -> dict[str, Any]:
    """Return the rows of some sections by name, None for one whose form is refused already."""
    return {
        name: row for section in sections for name, row in (getattr(config, section) or {}).items()
    }


def arm_names(config: Config) -> Mistakes:
    """Refuse names that something that takes them could not hold, and names of two sections."""
    known, first = _rows(config), dict[str, str]()
    for section in ARM_SECTIONS:
        for name in getattr(config, section) or ():
            if mistake := name_mistake("strategy", name, known):
                yield f"{section}.{name}", *mistake
            elif (other := _without_seed(name, config.study.seeds)) in known:
                found = f"the name '{name}', which stages of '{other}' with a seed have too"
                yield f"{section}.{name}", found, f"another, as '{other}' is there", "Rename it"
            elif name in first:
                found = f"the name '{name}', which {first[name]} has too"
                yield f"{section}.{name}", found, "a name of its own", "Rename one of them"
            first.setdefault(name, section)


def _without_seed(name: str, seeds: Collection[int]) -> str:
    """Return what stands before the last `-` of a name where a seed follows it, else nothing."""
    other, _, seed = name.rpartition("-")
    return other if seed in map(str, seeds) else ""


def compared(config: Config) -> Mistakes:
    """Refuse a `study.baseline` or `study.focus` that is no row of any section."""
    known = _rows(config)
    for key, name in (("baseline", config.study.baseline), ("focus", config.study.focus)):
        if name not in known:
            do = did_you_mean(name, known, "Choose one")
            yield f"study.{key}", f"'{name}'", f"a strategy of this file ({', '.join(known)})", do


def parts(config: Config) -> Mistakes:
    """Refuse rows made of what is not in this file, or in a section that does not fit."""
    everything = _rows(config)
    for section, (keys, sections) in PARTS.items():
        fitting = _rows(config, sections)
        for name, row in (getattr(config, section) or {}).items():
            for key in keys:
                part = getattr(row, key, None)
                if part is not None and part not in fitting:
                    where = " or ".join(sections)
                    found = f"'{part}', of another section" if part in everything else f"'{part}'"
                    yield (
                        f"{section}.{name}.{key}",
                        found,
                        f"a row of {where} ({', '.join(fitting)})",
                        did_you_mean(part, fitting, "Choose one"),
                    )


def two_parts(config: Config) -> Mistakes:
    """Refuse one row taken twice, and means of weights that had different starts."""
    for section in ("merges", "fusions"):
        for name, row in getattr(config, section).items():
            if row is not None and row.first == row.second:
                found = f"'{row.first}' twice"
                yield f"{section}.{name}.second", found, "two different rows", "Name another"
    for name, row in config.merges.items():
        starts = [
            getattr(config.strategies.get(part), "start", None)
            for part in ((row.first, row.second) if row else ())
        ]
        if None not in starts and len(set(starts)) == 2:
            yield (
                f"merges.{name}",
                f"{row.first} from {starts[0]} and {row.second} from {starts[1]}",
                "two strategies with the same start: a mean of other weights means nothing",
                "Name two that start from the same",
            )


def strategy_batches(config: Config) -> Mistakes:
    """Refuse keys of a strategy that its batches do not need, and the lack of those they need."""
    for name, strategy in config.strategies.items():
        if strategy is not None and strategy.batches is not None:  # else refused for its form
            yield from _batches(f"strategies.{name}", strategy, config.study.tuned is not None)


def _batches(key: str, strategy: Strategy, tuned: bool) -> Mistakes:
    kind, ratio = strategy.batches, strategy.cross_ratio
    if kind not in BATCH_KINDS:
        do = did_you_mean(kind, BATCH_KINDS, "Choose one")
        yield f"{key}.batches", f"'{kind}'", f"one of {', '.join(BATCH_KINDS)}", do
    elif kind == "hybrid" and ratio is None and not tuned:  # else tuned.yaml may say it
        yield (
            f"{key}.cross_ratio",
            "nothing",
            "the share of cross-lingual batches, 0 to 1",
            "Add it",
        )
    elif kind != "hybrid" and ratio is not None:
        expected = f"no such key: '{kind}' mixes nothing"
        yield f"{key}.cross_ratio", str(ratio), expected, "Remove it"
    if kind == "none" and strategy.training is not None:
        expected = "no such key: this strategy is not trained"
        yield f"{key}.training", "settings of training", expected, "Remove it"


def curves(config: Config) -> Mistakes:
    """Refuse checkpoints where no loss is written, in every strategy."""
    yield from _curve("training", config.training)
    for name, strategy in config.strategies.items():
        if strategy is not None and strategy.training is not None:
            changed = config.training_of(name)
            if changed.checkpoint_every != config.training.checkpoint_every or (
                changed.log_every != config.training.log_every
            ):
                yield from _curve(f"strategies.{name}.training", changed)


def _curve(key: str, training: TrainingSettings) -> Mistakes:
    if training.checkpoint_every % training.log_every:
        yield (
            f"{key}.checkpoint_every",
            str(training.checkpoint_every),
            f"a multiple of log_every ({training.log_every}), or a resumed training would log"
            " another mean",
            "Change one of them",
        )
