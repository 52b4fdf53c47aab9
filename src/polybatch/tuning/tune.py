"""The search: as many trials for every strategy, of settings in the same order."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from polybatch.core.errors import InputError
from polybatch.core.files import whole_file
from polybatch.settings.adaptation import AdaptationSettings
from polybatch.settings.config import Config
from polybatch.settings.tuned import CurvePoint, TunedArm, TunedStudy, TunedTrial, read_tuned
from polybatch.settings.tuning import TuningSettings, space_of
from polybatch.tuning.bench import Bench, Training
from polybatch.tuning.candidates import Values, candidates
from polybatch.tuning.choice import chosen, fewest_steps

log = logging.getLogger("polybatch")

_HEADER = """\
# What tunings chose, of which trials, scored on held-out articles of their training data.
# Written by `polybatch tune` (`make repro PRESET=tune-mlqa`); commit it. A study takes values from
# one by `study.tuned: NAME`.
"""


def tune(folder: Path, config: Config) -> TunedStudy:
    """Run every trial that has no record yet and return what the records say.

    First the adaptation's, then those of each trained strategy; strategies that start from dapt
    start from the adaptation that was chosen. Needs data/valid and models/start/base.

    Raises:
        InputError: a study without the section `tuning`.
    """
    tuning, bench = config.tuning, Bench(folder, config)
    if tuning is None:
        do = "Add it, as presets/tune-mlqa.yaml has it"
        raise InputError("params.yaml tuning", "nothing", "a section of what to try", do)
    zero_shot = bench.as_it_comes()
    log.info("zero-shot: %s", _shown(zero_shot))
    adapted = _adaptation(bench, tuning)
    if adapted is not None:
        dapt = _changed(config.dapt, adapted.values)
        bench = Bench(folder, dataclasses.replace(config, dapt=dapt))
    arms = _strategies(bench, tuning)
    bench.clear()
    margin = config.statistics.smallest_difference
    return TunedStudy(
        measure=config.evaluation.headline,
        encoder=config.encoder.name,
        revision=config.encoder.revision,
        query_prompt=config.encoder.query_prompt,
        document_prompt=config.encoder.document_prompt,
        batch_pairs=config.batches.batch_pairs,
        objective=config.adaptation.objective if config.adaptation and adapted else None,
        seeds={"settings": tuning.seed, "training": bench.seed},
        trials=tuning.trials,
        trial_steps=config.batches.steps,
        steps=fewest_steps([arm.curve for arm in arms.values()], margin / 100),
        margin=margin,
        zero_shot=round(zero_shot, 6),
        datasets={
            name: config.datasets[name]
            for name in (*config.used_for("train"), *config.used_for("evaluate"))
        },
        strategies=arms,
        adaptation=adapted,
    )


def _adaptation(bench: Bench, tuning: TuningSettings) -> TunedArm | None:
    settings = bench.config.dapt
    if tuning.adaptation is None or settings is None:
        return None
    space = space_of(tuning.adaptation)
    tried = candidates(space, tuning.trials, (tuning.seed, "tuning", "adaptation"))
    scores = bench.scores([_changed(settings, values) for values in tried])
    return chosen(_trials("adaptation", tried, scores))


def _strategies(bench: Bench, tuning: TuningSettings) -> dict[str, TunedArm]:
    """Return what each trained strategy chose, all trials made side by side, then all curves."""
    config, names = bench.config, (tuning.seed, "tuning", "training")
    space, tried = space_of(tuning.training), {}
    for name, row in config.strategies.items():
        if row.batches != "none":
            mixes = row.batches == "hybrid" and tuning.cross_ratio is not None
            own = {"cross_ratio": tuning.cross_ratio or ()} if mixes else {}
            tried[name] = candidates(space, tuning.trials, names, own)
    settings = [(name, values, config.batches.steps) for name in tried for values in tried[name]]
    scores = iter(bench.scores([_training(bench, tuning, *each) for each in settings]))
    best = {
        name: chosen(_trials(name, values, [next(scores) for _ in values]))
        for name, values in tried.items()
    }
    return {
        name: dataclasses.replace(best[name], curve=curve)
        for name, curve in _curves(bench, tuning, best).items()
    }


def _curves(
    bench: Bench, tuning: TuningSettings, best: Mapping[str, TunedArm]
) -> dict[str, tuple[CurvePoint, ...]]:
    """Return the scores of each strategy's chosen settings, trained with more and fewer steps."""
    steps_of = sorted(tuning.curve, reverse=True)  # the shorter ones fill what is left at the end
    points = [(name, steps) for steps in steps_of for name in best]
    scores = bench.scores(
        [_training(bench, tuning, name, best[name].values, steps) for name, steps in points]
    )
    found = dict(zip(points, scores, strict=True))
    curves = {}
    for name in best:
        shown = sorted(tuning.curve)
        for steps in shown:
            log.info("tune %s: %d steps: %s", name, steps, _shown(found[name, steps]))
        scored = [(steps, found[name, steps]) for steps in shown]
        curves[name] = tuple(
            CurvePoint(steps, round(score, 6)) for steps, score in scored if score is not None
        )
    return curves


def _shown(score: float | None) -> str:
    return "failed" if score is None else f"{100 * score:.1f}"


def _training(
    bench: Bench, tuning: TuningSettings, name: str, values: Values, steps: int
) -> Training:
    """Return the trial of a strategy with these settings and so many steps.

    A strategy that makes up for an adaptation (`match_budget`) takes as many steps more as in the
    study itself.
    """
    config = bench.config
    row = config.strategies[name]
    given = {key: value for key, value in values.items() if key != "cross_ratio"}
    row = dataclasses.replace(row, cross_ratio=values.get("cross_ratio", row.cross_ratio))
    more = {budget - config.batches.steps for budget in config.budgets}
    wanted = {config.batches.steps, *tuning.curve}
    budgets = tuple(sorted(each + extra for each in wanted for extra in more))
    own = config.batches_of(name).steps - config.batches.steps
    training = _changed(config.training_of(name), given)
    adaptation: AdaptationSettings | None = config.dapt if row.start == "dapt" else None
    return Training(name, row, training, steps + own, budgets, adaptation)


def _trials(name: str, tried: Sequence[Values], scores: Sequence[float | None]) -> list[TunedTrial]:
    for number, (values, score) in enumerate(zip(tried, scores, strict=True), 1):
        shown = ", ".join(f"{key} {value:g}" for key, value in values.items())
        log.info("tune %s: trial %d/%d (%s): %s", name, number, len(tried), shown, _shown(score))
    return [
        TunedTrial(values, None if score is None else round(score, 6))
        for values, score in zip(tried, scores, strict=True)
    ]


def _changed(settings: Any, values: Values) -> Any:
    """Return settings with these values; a number of steps is a whole one."""
    whole = {key: int(value) for key, value in values.items() if key == "steps"}
    return dataclasses.replace(settings, **(values | whole))


def write_tuned(path: Path, name: str, tuned: TunedStudy) -> None:
    """Put a tuning into tuned.yaml, in the place of an earlier one of that name.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tuned.yaml"
        >>> tuned = TunedStudy("AP", {"training": 0}, 8, 40, 80, 0.5, 0.3, {}, {})
        >>> write_tuned(path, "tune-mlqa", tuned)
        >>> read_tuned(path) == {"tune-mlqa": tuned}
        True
    """
    whole = {**read_tuned(path), name: tuned}
    values = {key: _plain(each) for key, each in sorted(whole.items())}
    yaml = YAML()
    yaml.width = 1000
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(_HEADER)
        yaml.dump(values, stream)


def _plain(tuned: TunedStudy) -> dict[str, Any]:
    """Return plain lists and dictionaries, without empty keys."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(below) for key, below in value.items() if below is not None}
        return [plain(each) for each in value] if isinstance(value, tuple | list) else value

    found: dict[str, Any] = plain(dataclasses.asdict(tuned))
    return found
