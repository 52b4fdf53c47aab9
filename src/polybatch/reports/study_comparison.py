"""All of a study side by side: what the stage compare writes, from what earlier stages wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from polybatch import __version__
from polybatch.encoders.pretraining_data import not_zero_shot, training_sets, zero_shot
from polybatch.evaluation.scores import Summary
from polybatch.reports.comparison import comparison, report
from polybatch.reports.comparison_sections import (
    bias_section,
    exposure_section,
    pool_section,
    study_views,
    view_sections,
)
from polybatch.reports.contrasts import (
    contrast_section,
    decided,
    headlines,
    known_section,
    pooled_section,
)
from polybatch.reports.costs import budget, cost_section, fixed_costs
from polybatch.reports.languages import (
    Reading,
    collapse_notes,
    encoder_section,
    flagged,
    known_by,
    readings,
)
from polybatch.reports.results_folder import Study
from polybatch.statistics.arms import read_arms
from polybatch.statistics.contrasts import contrast_table
from polybatch.statistics.meta_analysis import pool
from polybatch.statistics.seeds import mean_numbers, seeds_section, spread_over_seeds
from polybatch.statistics.significance import assess

_ROW = ("strategy", "dataset", "setting", "measure")


@dataclass(frozen=True)
class StudyComparison:
    """Tables (COMPARISON, SEEDS, SIGNIFICANCE, CONTRASTS), compare.md, and what the page needs."""

    table: pl.DataFrame
    seeds: pl.DataFrame
    sure: pl.DataFrame
    contrasts: pl.DataFrame
    text: str
    budgets: Mapping[str, Mapping[str, int | str]]
    costs: Mapping[str, Mapping[str, int | None]]
    made: Mapping[str, object]
    headlines: list[str]
    notes: list[str]
    flagged: list[str]
    metrics: Mapping[str, Summary]


def compare_study(study: Study) -> StudyComparison:
    """Compare all rows of a study.

    Raises:
        InputErrorList: rows were scored on different queries or dataset revisions.
    """
    config, rule = study.config, study.rule
    by_seed = {name: study.by_seed("metrics", name) for name in study.kinds}
    seeds = spread_over_seeds(by_seed)
    metrics = {name: mean_numbers(found) for name, found in by_seed.items()}
    spreads = {row[:4]: row[4] for row in seeds.select(*_ROW, "spread").rows()}
    table = comparison(metrics, config.study.baseline, spreads)
    revisions = study.same_revisions(list(study.kinds))
    made = _signature(study) | {f"{name} revision": found for name, found in revisions.items()}
    read = readings(study.bias)
    known, kind = known_by(config.encoder.name, read)
    sure, contrasts = _tested(study, known, kind)
    trained = [len(kind.trials) for kind in study.kinds.values() if kind.trained]
    lines = headlines(contrasts, rule, min(trained, default=None))
    budgets = {name: _budget(study, name) for name in config.strategies}
    searched = {name: one.source for name, one in config.used_for("evaluate").items()}
    notes = [*not_zero_shot(config.encoder.name, searched), *collapse_notes(read)]
    notes += [f"{name} is somebody else's result as it is: its intervals, and those of differences"
              " to it, hold no chance of its training." for name in config.external]  # fmt: skip
    found = StudyComparison(
        table, seeds, sure, contrasts, "", budgets, fixed_costs(study), made,
        lines, notes, sorted(flagged(read, known)), metrics,
    )  # fmt: skip
    remarks = [*found.headlines, *found.notes]
    sections = _sections(study, found, read, kind)
    bold = decided(contrasts, config.study.baseline)
    text = report(table, config.study.baseline, budgets, made, sections, sure, remarks, bold)
    return replace(found, text=text)


def _sections(
    study: Study, found: StudyComparison, read: list[Reading], kind: str
) -> dict[str, str]:
    """Return the sections of compare.md behind its first table, by their titles."""
    config, rule = study.config, study.rule
    headline, datasets = config.evaluation.headline, len(config.used_for("evaluate"))
    seed, baseline, marked = f"{_seed(study)}.json", config.study.baseline, set(found.flagged)
    plans = {name: study.json("plans", name, seed) for name in config.strategies}
    return {
        "Declared contrasts": contrast_section(found.contrasts, rule),
        "Languages of the encoder": encoder_section(config.encoder.name, read, marked),
        "Contrasts by language of the encoder": known_section(found.contrasts, kind, headline),
        "Cost of each row": cost_section(found.table, headline, found.costs),
        "All datasets together": pooled_section(pool(found.contrasts, rule.confidence), datasets),
        "Spread between trainings": seeds_section(
            found.seeds, headline, any(kind.trained for kind in study.kinds.values())
        ),
        "The pool's two means": pool_section(found.sure, headline),
        "Languages in training": exposure_section(plans),
        "Language bias": bias_section(study.bias),
        "Which languages gain or lose": view_sections(found.sure, headline, baseline, marked),
    }


def _tested(study: Study, known: frozenset[str], kind: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return SIGNIFICANCE and CONTRASTS. `known`: the encoder's languages, called `kind`."""
    config, rule = study.config, study.rule
    headline, settings = config.evaluation.headline, config.statistics
    views = study_views(headline, study.trained_languages, known, kind)
    scored = read_arms(study.kinds, study.trial_scores, study.clusters, views)
    sure = assess(scored, config.study.baseline, rule)
    claims = [part for part in scored if part.measure == headline]
    tables = [
        contrast_table(claims, settings.pairs, rule, settings.resamples, _seed(study), each)
        for each in ("setting", kind)
    ]
    return sure, pl.concat(tables)


def _seed(study: Study) -> int:
    return study.config.study.seeds[0]


def _budget(study: Study, name: str) -> dict[str, int | str]:
    """Return what training with the first seed saw; other seeds see as many steps and pairs."""
    seed = str(_seed(study))
    plan = study.json("plans", name, f"{seed}.json")
    found = budget(plan, study.json("training", name, seed, "summary.json"))
    if study.config.strategies[name].start != "dapt":
        return found
    adapted = study.json("adaptation", seed, "summary.json")
    return found | {f"adaptation_{key}": adapted[key] for key in ("steps", "texts", "tokens")}


def _signature(study: Study) -> dict[str, object]:
    config = study.config
    notes = sorted({note for dataset in study.validation.values() for note in dataset.notes})
    searched = config.used_for("evaluate")
    seen = training_sets(config.encoder.name)
    return {
        "study": config.study.name,
        "encoder": config.encoder.name,
        "trained on": ", ".join(config.used_for("train")),
        **_adapted(study),
        "evaluated on": ", ".join(searched),
        **{f"{name} pool": str(study.pools[name]) for name in searched},
        **{
            f"zero-shot for the encoder, {name}": str(zero_shot(config.encoder.name, one.source))
            for name, one in searched.items()
        },
        **({"the encoder's own training data": seen} if seen else {}),
        "ties": "broken by doc_id, descending, as trec_eval does",
        "seeds": ", ".join(map(str, config.study.seeds)),
        "polybatch": __version__,
        "notes on the data": "; ".join(notes) or "none",
    }


def _adapted(study: Study) -> dict[str, object]:
    """Return what the study adapted on, if it did, and what its summary notes."""
    settings = study.config.adaptation
    if settings is None:
        return {}
    summary = study.json("adaptation", str(_seed(study)), "summary.json")
    how = f"{settings.objective} on {', '.join(settings.texts)}"
    return {"adapted by": "; ".join([how, *summary["notes"]])}
