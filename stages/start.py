"""Write what each seed of a strategy starts from: data/starts/<strategy>/<seed>.json.

A small file, so that training depends on the one checkpoint it starts from and on no other:
`{"checkpoint": folder, "sha256": of all its files}`.
"""

from __future__ import annotations

from pathlib import Path

from polybatch.core.files import sha256_of_folder, whole_folder, write_json
from polybatch.settings.config import Config

from .common import START, STARTS, known, run


def start(config: Config, strategy: str) -> str:
    """Write where each seed of the strategy starts and return from what."""
    known(config.strategies, strategy, "strategy")
    kind = config.strategies[strategy].start
    digests: dict[Path, str] = {}
    with whole_folder(STARTS / strategy) as folder:
        for seed in config.study.seeds:
            place = START / "dapt" / str(seed) if kind == "dapt" else START / kind
            if place not in digests:
                digests[place] = sha256_of_folder(place)
            checkpoint = {"checkpoint": place.as_posix(), "sha256": digests[place]}
            write_json(folder / f"{seed}.json", checkpoint)
    return f"{len(config.study.seeds)} from {kind}"


if __name__ == "__main__":
    run("start", start, "strategy")
