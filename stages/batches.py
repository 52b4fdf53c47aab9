"""Write a strategy's batch plan and its texts to data/batches/<strategy>/<seed>."""

from __future__ import annotations

from polybatch.batches.exposure import exposure
from polybatch.batches.invariants import check_plan
from polybatch.batches.plan import plan_batches, plan_texts
from polybatch.core.dataset import read_dataset, write_table
from polybatch.core.files import whole_folder, write_json
from polybatch.settings.config import Config
from polybatch.settings.study import Trial

from .common import BATCHES, RESULTS, VALID, run_trial


def batches(config: Config, trial: Trial) -> str:
    """Plan every batch of the trial, check the plan's laws, and return its budget."""
    datasets = [read_dataset(VALID / name) for name in config.used_for("train")]
    strategy = config.strategies[trial.strategy]
    settings = config.batches_of(trial.strategy)
    budgets = config.budgets
    plan = plan_batches(datasets, trial.strategy, strategy, settings, trial.seed, budgets)
    check_plan(plan.table, datasets, settings, strategy, budgets)
    texts = plan_texts(plan.table, datasets)
    with whole_folder(BATCHES / trial.path) as folder:
        write_table(plan.table, folder / "plan.parquet")
        write_table(texts, folder / "texts.parquet")
    summary = plan.summary | exposure(plan.table, texts)
    write_json(RESULTS / "plans" / f"{trial.path}.json", summary)
    return f"{plan.table.height:,} pairs planned"


if __name__ == "__main__":
    run_trial("batches", batches)
