"""What the keys of params.yaml say of each other, and of names, languages, measures and times.

A rule yields a key, what was found, what is expected and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from polybatch.core.errors import InputError, did_you_mean
from polybatch.core.languages import language_mistake, same_language
from polybatch.settings import adaptation_rules, arm_rules, tuning_rules
from polybatch.settings.data import NO_FOLDER, DatasetSettings, SourceSettings
from polybatch.settings.encoder_rules import encoder_mistakes
from polybatch.settings.evaluation import measure_mistake
from polybatch.settings.index import index_mistakes
from polybatch.settings.names import name_mistake
from polybatch.settings.overlaps import overlap
from polybatch.settings.schedule_rules import schedule_mistakes
from polybatch.settings.source_names import source_mistake
from polybatch.settings.statistics import contrast_mistakes
from polybatch.settings.webhooks import check_webhook

if TYPE_CHECKING:
    from polybatch.settings.config import Config

Mistakes = Iterator[tuple[str, str, str, str]]


def mistakes(config: Config, incomplete: bool) -> Mistakes:
    """Yield what all rules find; where values are None as wrong ones, what they can find.

    Raises:
        AttributeError, TypeError: a rule fails on a whole study; a mistake of ours.
    """
    for rule in RULES:
        try:
            yield from rule(config)
        except (AttributeError, TypeError):  # a value this rule needs is itself a mistake
            if not incomplete:
                raise


def _names(config: Config) -> Mistakes:
    for kind, section in (("source", "sources"), ("dataset", "datasets")):
        rows = getattr(config, section)
        for name in rows or ():
            mistake = name_mistake(kind, name, rows)
            if not mistake and kind == "source":
                mistake = source_mistake(name)
            if mistake:
                yield f"{section}.{name}", *mistake


def _dataset_sources(config: Config) -> Mistakes:
    for name, dataset in config.datasets.items():
        if dataset is None or dataset.source is None:
            continue
        source = config.sources.get(dataset.source, ...)
        if source is ...:
            yield (
                f"datasets.{name}.source",
                f"'{dataset.source}'",
                f"a source of this file ({', '.join(config.sources)})",
                did_you_mean(dataset.source, config.sources, "Add it under sources"),
            )
        elif source is not None:
            yield from _fetched(name, dataset, source)


def _fetched(name: str, dataset: DatasetSettings, source: SourceSettings) -> Mistakes:
    for what in ("languages", "splits"):
        requested, there = getattr(dataset, what), getattr(source, what)
        if requested and there and (missing := [word for word in requested if word not in there]):
            yield (
                f"datasets.{name}.{what}",
                ", ".join(missing),
                f"some of what sources.{dataset.source}.{what} fetches ({', '.join(there)})",
                "Add it there or remove it here",
            )


def _parts(config: Config) -> Mistakes:
    for name, row in config.datasets.items():
        if row and row.part in ("train", "heldout") and row.heldout_share == 0:
            yield (
                f"datasets.{name}.heldout_share",
                f"0.0 with part: {row.part}",
                "a share that is held out, such as 0.2, the same in both parts",
                "Write it, or part: all where other splits or sources are evaluated",
            )


def _languages(config: Config) -> Mistakes:
    for section in ("sources", "datasets"):
        for name, row in getattr(config, section).items():
            key = f"{section}.{name}.languages"
            seen: list[str] = []
            for code in row.languages if row and row.languages else ():
                if mistake := language_mistake(code):
                    yield key, *mistake
                elif same := same_language(code, seen):
                    found = f"'{same}' and '{code}', codes of one language"
                    yield key, found, "each language once", "Remove one of them"
                seen.append(code)


def _uses(config: Config) -> Mistakes:
    if not config.used_for("evaluate"):
        yield "datasets", "none with 'use: evaluate'", "at least one", "Add one"
    if not config.used_for("train"):
        yield "datasets", "none with 'use: train'", "at least one", "Add one"


def _shared_data(config: Config) -> Mistakes:
    for name, searched in config.used_for("evaluate").items():
        for other, trained in config.used_for("train").items():
            if shared := overlap(searched, trained):
                yield (
                    f"datasets.{name}",
                    f"what '{other}' trains on: {shared}"
                    f" (sources {searched.source} and {trained.source})",
                    "an evaluation dataset that training never sees",
                    "Take another source, other splits, or part: train and part: heldout of one"
                    " source with the same heldout_share, languages and splits",
                )


def _measures(config: Config) -> Mistakes:
    for name in config.evaluation.measures:
        if mistake := measure_mistake(name):
            yield "evaluation.measures", *mistake


def _contrasts(config: Config) -> Mistakes:
    for mistake in contrast_mistakes(config.statistics.contrasts, config.arms):
        yield "statistics.contrasts", *mistake


def _matched(config: Config) -> Mistakes:
    if not config.batches.match_budget:
        return
    if config.adaptation is None:
        why = "no strategy starts from dapt" if config.dapt else "dapt: null"
        yield (
            "batches.match_budget",
            "true",
            f"false, as this study adapts nothing ({why}): there is no budget to match",
            "Write match_budget: false, or add the section dapt and a strategy that starts from it",
        )
        return
    sizes = {config.adaptation.batch_texts, config.batches.batch_pairs} - {None}
    if len(sizes) > 1:
        yield (
            "batches.match_budget",
            f"true, with steps of {config.adaptation.batch_texts} texts (dapt.batch_texts) and of"
            f" {config.batches.batch_pairs} pairs (batches.batch_pairs)",
            "as many of both: it makes up for steps, so they have to be of one size",
            "Make the two equal, or write match_budget: false",
        )


def _adaptation(config: Config) -> Mistakes:
    yield from adaptation_rules.mistakes(config.dapt, config.datasets, config.strategies)


def _encoder(config: Config) -> Mistakes:
    yield from encoder_mistakes(config.encoder)


def _index(config: Config) -> Mistakes:
    if config.approximate is None:
        return
    for mistake in index_mistakes(config.approximate):
        yield f"index.{mistake[0]}", *mistake[1:]
    focus = config.arms.get(config.study.focus)
    if focus is not None and focus.section not in ("strategies", "merges"):
        found = f"'{config.approximate.kind}', and study.focus is a row of {focus.section}"
        expected = "flat where no checkpoint makes the focus's vectors"
        yield "index.kind", found, expected, "Write flat, or choose a strategy or merge as focus"


def _own_folders(config: Config) -> Mistakes:
    """Refuse a folder outside `inputs/`: it would change without DVC seeing it."""
    for section, none in (("sources", ()), ("external", (NO_FOLDER,))):
        for name, row in getattr(config, section).items():
            folder = None if row is None else row.folder
            if folder is None:
                continue
            parts = PurePosixPath(folder).parts
            if parts[:1] != ("inputs",) or ".." in parts or folder in none:
                yield (
                    f"{section}.{name}.folder",
                    f"'{folder}'",
                    "a folder below inputs/, whose changes DVC sees",
                    "Put the files there, for example inputs/faq",
                )


def _alerts(config: Config) -> Mistakes:
    measures = config.evaluation.measures
    if config.notify.measure not in measures:
        expected = f"one of evaluation.measures ({', '.join(measures)})"
        do = did_you_mean(config.notify.measure, measures, "Choose one")
        yield "notify.measure", f"'{config.notify.measure}'", expected, do
    if config.notify.webhook is not None:
        try:
            check_webhook("notify.webhook", config.notify.webhook)
        except InputError as error:
            yield "notify.webhook", error.found, error.expected, error.do


def _schedule(config: Config) -> Mistakes:
    for mistake in schedule_mistakes(config.schedule.cron, config.schedule.timezone):
        yield f"schedule.{mistake[0]}", *mistake[1:]


RULES: tuple[Callable[[Config], Mistakes], ...] = (
    _names,
    arm_rules.arm_names,
    arm_rules.compared,
    arm_rules.parts,
    arm_rules.two_parts,
    _dataset_sources,
    _parts,
    _languages,
    arm_rules.strategy_batches,
    _uses,
    _shared_data,
    _measures,
    _contrasts,
    arm_rules.curves,
    _matched,
    _adaptation,
    tuning_rules.mistakes,
    _encoder,
    _index,
    _own_folders,
    _alerts,
    _schedule,
)
