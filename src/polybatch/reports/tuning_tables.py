"""What a tuning found, as tables, and as Markdown for results/tuning.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from polybatch.core.markdown import MISSING, markdown, number
from polybatch.settings.tuned import TunedArm, TunedStudy
from polybatch.tuning.choice import expected_best

EDGE = "†"
"""Marks a value on the edge of those that were tried."""


@dataclass(frozen=True)
class Part:
    """A table with its title and a sentence; cells are Markdown."""

    title: str
    note: str
    table: pl.DataFrame


def arms_of(tuned: TunedStudy) -> dict[str, TunedArm]:
    """Return everything that was tuned, the adaptation first.

    Example:
        >>> arm = TunedArm({}, 0.5, (), (), ())
        >>> tuned = TunedStudy("AP", {}, 2, 50, 100, 0.5, 0.3, {}, {"mono": arm}, adaptation=arm)
        >>> list(arms_of(tuned))
        ['(adaptation)', 'mono']
    """
    adapted = {"(adaptation)": tuned.adaptation} if tuned.adaptation else {}
    return {**adapted, **tuned.strategies}


def introduction(tuned: TunedStudy) -> str:
    """Return in a few sentences what was tried on what."""
    held = ", ".join(name for name, data in tuned.datasets.items() if data.use == "evaluate")
    seeds = f"settings in the order of seed {tuned.seeds['settings']}"
    return (
        f"{len(arms_of(tuned))} searches of {tuned.trials} trials each, {tuned.trial_steps} steps a"
        f" trial of a strategy; {seeds}, trainings with seed {tuned.seeds['training']}. Scores are"
        f" {tuned.measure} in percent, the mean over settings, on held-out articles of the training"
        f" data ({held}), never on an evaluation dataset. The encoder as it comes reaches"
        f" {number(tuned.zero_shot)}."
    )


def parts(tuned: TunedStudy) -> list[Part]:
    """Return the tables: what was chosen, by how many trials, with how many steps, every trial.

    Example:
        >>> from polybatch.settings.tuned import CurvePoint, TunedTrial
        >>> trials = (TunedTrial({"temperature": 0.05}, 0.6), TunedTrial({"temperature": 0.1}, 0.5))
        >>> curve = (CurvePoint(100, 0.6),)
        >>> arm = TunedArm({"temperature": 0.05}, 0.6, ("temperature",), trials, curve)
        >>> tuned = TunedStudy("AP", {}, 2, 50, 100, 0.5, 0.3, {}, {"mono": arm})
        >>> parts(tuned)[0].table.rows()  # the best, the worst; on the edge of what was tried
        [('mono', '60.0', '50.0', '0.05†')]
    """
    arms = arms_of(tuned)
    curves = {name: arm for name, arm in arms.items() if arm.curve}
    return [
        Part("Chosen", _edge_note(arms), _table(map(_chosen, arms, arms.values()))),
        Part(
            "Best score by number of trials",
            "Expected best of so many trials, drawn from those made (Dodge et al. 2019). Where the"
            " last columns still rise, more trials would bring more.",
            _table(
                {"strategy": name}
                | {
                    str(count): number(best)
                    for count, best in enumerate(expected_best(arm.scores), 1)
                }
                for name, arm in arms.items()
            ),
        ),
        Part(
            "Steps",
            f"The chosen settings, trained anew with so many steps. For all strategies:"
            f" **{tuned.steps} steps**, the fewest whose mean over strategies is within"
            f" {tuned.margin:g} points of the best." + _longest(tuned),
            _table(
                {"strategy": name} | {str(point.steps): number(point.score) for point in arm.curve}
                for name, arm in curves.items()
            ),
        ),
        Part(
            "Every trial",
            "In the order in which they were made." + _failures(arms),
            _table(
                {"strategy": name, "trial": str(count), tuned.measure: _cell(trial.score)}
                | {key: f"{value:g}" for key, value in trial.values.items()}
                for name, arm in arms.items()
                for count, trial in enumerate(arm.trials, 1)
            ),
        ),
    ]


def tuning_markdown(name: str, tuned: TunedStudy) -> str:
    """Return results/tuning.md."""
    sections = [f"## {one.title}\n\n{one.note}\n\n{markdown(one.table)}\n" for one in parts(tuned)]
    return "\n".join([f"# Tuning: {name}\n", f"{introduction(tuned)}\n", *sections])


def _cell(score: float | None) -> str:
    return "failed" if score is None else number(score)


def _failures(arms: dict[str, TunedArm]) -> str:
    failed = {name: len(arm.trials) - len(arm.scores) for name, arm in arms.items()}
    named = ", ".join(f"{name} ({count})" for name, count in failed.items() if count)
    if not named:
        return ""
    return (
        f" Failed, as the loss was no longer finite: {named}. These are never chosen, and count"
        " neither among the best of so many trials nor as the worst."
    )


def _chosen(name: str, arm: TunedArm) -> dict[str, str]:
    values = {key: f"{value:g}" + EDGE * (key in arm.edges) for key, value in arm.values.items()}
    worst = min(arm.scores)
    return {"strategy": name, "score": number(arm.score), "worst": number(worst)} | values


def _edge_note(arms: dict[str, TunedArm]) -> str:
    found = [f"{key} of {name}" for name, arm in arms.items() for key in arm.edges]
    if not found:
        return "No chosen value is the least or greatest that was tried."
    return (
        f"On the edge of what was tried ({EDGE}): {', '.join(found)}. Tune again with more"
        " trials, where `tuning` lists values beyond, else with longer lists: trials already made"
        " are kept."
    )


def _longest(tuned: TunedStudy) -> str:
    longest = max(point.steps for arm in tuned.strategies.values() for point in arm.curve)
    return " That is the most that was tried." * (tuned.steps == longest)


def _table(rows: Iterable[dict[str, str]]) -> pl.DataFrame:
    """Return rows as one table; a cell that a row lacks is marked as missing."""
    found = list(rows)
    names = dict.fromkeys(key for row in found for key in row)
    return pl.DataFrame({key: [row.get(key, MISSING) for row in found] for key in names})
