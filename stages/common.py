"""What every stage does the same way: read the params, log, and end with a message or a fact."""

from __future__ import annotations

import argparse
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.core.files import storage_error, write_json
from polybatch.retrieval.latency import Asked, median_milliseconds
from polybatch.settings.config import Config
from polybatch.settings.load import load
from polybatch.settings.study import Trial

PARAMS = Path("params.yaml")
RAW, VALID, SETTINGS, STARTS, BATCHES, INDEX, APPROXIMATE = (
    Path("data") / name
    for name in ("raw", "valid", "settings", "starts", "batches", "index", "approximate")
)
MODELS, RESULTS = Path("models"), Path("results")
TIMING = RESULTS / "timing"  # neither in git nor in DVC: the same work, other seconds
LATENCY = TIMING / "latency"  # of a row's single question
START = MODELS / "start"  # base, and dapt/<seed>: what strategies start from

_QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "TOKENIZERS_PARALLELISM": "false",
}

log = logging.getLogger("polybatch")


def run(name: str, stage: Callable[[Config, str], str], argument: str | None = None) -> None:
    """Run a stage as a program: `stage(config, key)` returns the fact it ends with.

    `argument` names the one option (`strategy`, `source`) whose value is the key. A mistake of
    the user's, or of a file, ends with its message and exit code 1, without a traceback.
    """
    use_utf8()
    parser = argparse.ArgumentParser(prog=f"polybatch stage {name}")
    if argument:
        parser.add_argument(f"--{argument}", required=True)
    key = getattr(parser.parse_args(), argument) if argument else ""
    _work(f"{name} {key}".rstrip(), lambda config: stage(config, key))


def run_trial(
    name: str,
    stage: Callable[[Config, Trial], str],
    sections: tuple[str, ...] = ("strategies",),
) -> None:
    """Run a stage of one strategy and seed as a program, as `run` does.

    `sections`: of params.yaml, whose rows the stage takes. Without `--seed`, the seed is the first
    one that the row has.
    """
    use_utf8()
    parser = argparse.ArgumentParser(prog=f"polybatch stage {name}")
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--seed", type=int, help="default: the first of study.seeds")
    given = parser.parse_args()

    def work(config: Config) -> str:
        names = [name for section in sections for name in getattr(config, section)]
        known(names, given.strategy, "strategy")
        seeds = [trial.seed for trial in config.trials_of(given.strategy)]
        seed = seeds[0] if given.seed is None else given.seed
        known(list(map(str, seeds)), str(seed), "seed")
        return stage(config, Trial(given.strategy, seed))

    seed = "" if given.seed is None else f"-{given.seed}"
    _work(f"{name} {given.strategy}{seed}", work)


def _work(title: str, work: Callable[[Config], str]) -> None:
    """Read the params, do the work, and end as `run` says; `title` is printed before everything."""
    os.environ.update({key: os.environ.get(key, value) for key, value in _QUIET.items()})
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    for noisy in (
        "httpx",
        "urllib3",
        "faiss",
        "sentence_transformers",
        "transformers",
        "great_expectations",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    begun, before = time.perf_counter(), _joules()
    try:
        log.info("%s: %s", title, work(load(PARAMS)))
        _write_timing("-".join(title.split()), time.perf_counter() - begun, before)
    except (InputError, InputErrorList) as error:
        sys.exit(f"{title}: {error}")
    except OSError as error:
        sys.exit(f"{title}: {_of_the_machine(error)}")


def _write_timing(title: str, seconds: float, before: float | None) -> None:
    """Write what the stage took on this machine to results/timing, for people to read.

    `seconds` on the clock, `cpu_seconds` of the process and those it waited for, the largest
    memory of one process in GiB, and `joules` since `before`, of all processors, where the system
    tells them. Of several processes (torchrun) the first one tells.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    timing = {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(one.ru_utime + one.ru_stime for one in used), 1),
        "peak_gib": round(max(one.ru_maxrss for one in used) * unit / 2**30, 2),
    }
    after = _joules()
    if before is not None and after is not None and after >= before:  # the counter wraps around
        timing["joules"] = round(after - before, 1)
    write_json(TIMING / f"{title}.json", timing)


def write_latency(trial: Trial, ask: Callable[[Asked], object], questions: Sequence[Asked]) -> None:
    """Write what one question takes on this machine to results/timing, for people to read."""
    found = {"milliseconds": median_milliseconds(ask, questions)}
    write_json(LATENCY / f"{trial}.json", found)


def _joules() -> float | None:
    """Return the energy counter of all processors (Linux, RAPL); None where nothing tells it."""
    counters = sorted(Path("/sys/class/powercap").glob("intel-rapl:?/energy_uj"))
    try:
        return sum(int(path.read_text()) for path in counters) / 1e6 if counters else None
    except (OSError, ValueError):
        return None


def _of_the_machine(error: OSError) -> InputError:
    """Say what the machine refused: a missing input, a full disk, rights."""
    where = Path(error.filename or Path.cwd())
    if isinstance(error, FileNotFoundError):
        expected = "a file that an earlier stage writes"
        return InputError(where, "no such file", expected, "Run `dvc repro`, which makes it first")
    return storage_error(where, error.strerror or str(error))


def known(table: Collection[str], key: str, what: str) -> None:
    """Refuse a key that params.yaml does not define."""
    if key not in table:
        raise InputError(
            f"--{what}", f"'{key}'", f"one of {', '.join(table)}", f"Add it to {PARAMS}, or choose"
        )
