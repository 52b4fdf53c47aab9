"""Write what other stages read of params.yaml and DVC cannot name: data/settings/.

DVC fails on a key that is absent, and depends on a section whole. So this stage depends on the
file, takes half a second, and other stages depend on the small files that concern them:

- `adaptation.json`: what decides the adaptation, null where no strategy starts from it
- `transductive.json`: whether domain text may be what evaluation searches
- `budgets.json`: the numbers of steps that strategies of this study may have
- `train.json`, `evaluate.json`: the names of the datasets of that use
- `sources/<name>.json`: the version of the source's `download` in versions.yaml
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from polybatch.files import whole_folder, write_json
from polybatch.settings.config import Config
from polybatch.versions.record import VERSIONS, read_versions

from .common import SETTINGS, run

_NO_RESULT = ("checkpoint_every", "log_every")  # other values, same weights


def settings(config: Config, _: str) -> str:
    """Write the files and return how many there are."""
    versions = read_versions(VERSIONS)
    found: dict[str, Any] = {
        "adaptation": _adaptation(config),
        "transductive": bool(config.dapt and config.dapt.transductive),
        "budgets": list(config.budgets),
        "train": list(config.used_for("train")),
        "evaluate": list(config.used_for("evaluate")),
    }
    found |= {f"sources/{name}": versions.of_source(name) for name in config.sources}
    with whole_folder(SETTINGS) as folder:
        for name, value in found.items():
            write_json(folder / f"{name}.json", value)
    return f"{len(found)} files"


def _adaptation(config: Config) -> dict[str, Any] | None:
    if config.adaptation is None:
        return None
    return {k: v for k, v in asdict(config.adaptation).items() if k not in _NO_RESULT}


if __name__ == "__main__":
    run("settings", settings)
