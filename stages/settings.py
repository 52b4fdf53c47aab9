"""Write what other stages read of params.yaml and DVC cannot name: data/settings/.

DVC fails on a key that is absent, and depends on a section whole. So this stage depends on the
file, and on tuned.yaml, takes half a second, and other stages depend on the small files that
concern them:

- `adaptation.json`: what decides the adaptation, null where no strategy starts from it
- `index.json`: the index that documents are searched with in use, null where that is the exact one
- `transductive.json`: whether domain text may be what evaluation searches
- `batches/<strategy>.json`, `training/<strategy>.json`: what decides its plan, and its training
- `train.json`, `evaluate.json`: the names of the datasets of that use
- `sources/<name>.json`: the version of the source's `download` in versions.yaml
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from polybatch.core.files import whole_folder, write_json
from polybatch.settings.config import Config
from polybatch.settings.deciding import deciding
from polybatch.versions.record import VERSIONS, read_versions

from .common import SETTINGS, run


def settings(config: Config, _: str) -> str:
    """Write the files and return how many there are."""
    versions = read_versions(VERSIONS)
    found: dict[str, Any] = {
        "adaptation": deciding(config.adaptation) if config.adaptation else None,
        "index": asdict(config.approximate) if config.approximate else None,
        "transductive": bool(config.dapt and config.dapt.transductive),
        "train": list(config.used_for("train")),
        "evaluate": list(config.used_for("evaluate")),
    }
    found |= {f"sources/{name}": versions.of_source(name) for name in config.sources}
    for name in config.strategies:
        found[f"batches/{name}"] = _batches(config, name)
        found[f"training/{name}"] = deciding(config.training_of(name))
    with whole_folder(SETTINGS) as folder:
        for name, value in found.items():
            write_json(folder / f"{name}.json", value)
    return f"{len(found)} files"


def _batches(config: Config, name: str) -> dict[str, Any]:
    strategy, settings = config.strategies[name], asdict(config.batches_of(name))
    del settings["match_budget"]  # `steps` and `budgets` are what it decides
    own = {"kind": strategy.batches, "cross_ratio": strategy.cross_ratio}
    return settings | own | {"budgets": list(config.budgets)}


if __name__ == "__main__":
    run("settings", settings)
