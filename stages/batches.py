"""Write one strategy's batch plan and its texts to data/batches/<strategy>."""

from __future__ import annotations

from polybatch.config import Config
from polybatch.files import whole_folder, write_json
from polybatch.laws import check_plan
from polybatch.plans import plan_batches, plan_texts
from polybatch.tables import read_dataset, write_table
from stages.common import BATCHES, RESULTS, VALID, known, run


def batches(config: Config, key: str) -> str:
    """Plan every batch of the strategy `key`, check the plan's laws, and return its budget."""
    known(dict(config.strategies), key, "strategy")
    datasets = [read_dataset(VALID / name) for name in config.used_for("train")]
    strategy = config.strategies[key]
    settings = config.batches_of(key)
    plan = plan_batches(datasets, key, strategy, settings, config.study.seed)
    check_plan(plan.table, datasets, settings, strategy)
    with whole_folder(BATCHES / key) as folder:
        write_table(plan.table, folder / "plan.parquet")
        write_table(plan_texts(plan.table, datasets), folder / "texts.parquet")
    write_json(RESULTS / "plans" / f"{key}.json", plan.summary)
    return f"{plan.table.height} pairs planned"


if __name__ == "__main__":
    run("batches", batches, "strategy")
