"""What every stage does the same way: read the params, log, and end with a message or a fact."""

from __future__ import annotations

import argparse
import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from polybatch.config import Config, load
from polybatch.errors import InputError, InputErrorList
from polybatch.files import storage_error, write_json

PARAMS = Path("params.yaml")
RAW, VALID, BATCHES, INDEX = (Path("data") / name for name in ("raw", "valid", "batches", "index"))
MODELS, RESULTS = Path("models"), Path("results")
TIMING = RESULTS / "timing"  # neither in git nor in DVC: the same work, other seconds
START = MODELS / "start"  # what strategies start from; a strategy may be named base or dapt

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
    parser = argparse.ArgumentParser(prog=f"python -m stages.{name}")
    if argument:
        parser.add_argument(f"--{argument}", required=True)
    key = getattr(parser.parse_args(), argument) if argument else ""
    title = f"{name} {key}".rstrip()
    begun = time.perf_counter()
    try:
        log.info("%s: %s", title, stage(load(PARAMS), key))
        _write_timing("-".join(title.split()), time.perf_counter() - begun)
    except (InputError, InputErrorList) as error:
        sys.exit(f"{title}: {error}")
    except OSError as error:
        sys.exit(f"{title}: {_of_the_machine(error)}")


def _write_timing(title: str, seconds: float) -> None:
    """Write what the stage took on this machine to results/timing, for people to read.

    `seconds` on the clock, `cpu_seconds` of the process and those it waited for, and the largest
    memory of one process in GiB. Of several processes (torchrun) the first one tells.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    told = {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(one.ru_utime + one.ru_stime for one in used), 1),
        "peak_gib": round(max(one.ru_maxrss for one in used) * unit / 2**30, 2),
    }
    write_json(TIMING / f"{title}.json", told)


def _of_the_machine(error: OSError) -> InputError:
    """Say what the machine refused: a missing input, a full disk, rights."""
    where = Path(error.filename or Path.cwd())
    if isinstance(error, FileNotFoundError):
        expected = "a file that an earlier stage writes"
        return InputError(where, "no such file", expected, "Run `dvc repro`, which makes it first")
    return storage_error(where, error.strerror or str(error))


def known(table: dict[str, object], key: str, what: str) -> None:
    """Refuse a key that params.yaml does not define."""
    if key not in table:
        raise InputError(
            f"--{what}", f"'{key}'", f"one of {', '.join(table)}", f"Add it to {PARAMS}, or choose"
        )
