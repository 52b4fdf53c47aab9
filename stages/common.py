"""What every stage does the same way: read the params, log, and end with a message or a fact."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from polybatch.config import Config, load
from polybatch.errors import InputError, InputErrorList

PARAMS = Path("params.yaml")
RAW, VALID, BATCHES, INDEX = (Path("data") / name for name in ("raw", "valid", "batches", "index"))
MODELS, RESULTS = Path("models"), Path("results")

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
    try:
        log.info("%s: %s", title, stage(load(PARAMS), key))
    except (InputError, InputErrorList) as error:
        sys.exit(f"{title}: {error}")
    except OSError as error:
        sys.exit(f"{title}: {_of_the_machine(error)}")


def _of_the_machine(error: OSError) -> InputError:
    """Say what the machine refused: a full disk, a file that may not be read or written."""
    advice = "Check the file and its rights, then run again: what is whole is kept"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "Free space (`dvc gc --workspace` drops unused cache), then run again"
    where = error.filename or Path.cwd()
    return InputError(where, error.strerror or repr(error), "a file it can read or write", advice)


def known(table: dict[str, object], key: str, what: str) -> None:
    """Refuse a key that params.yaml does not define."""
    if key not in table:
        raise InputError(
            f"--{what}", f"'{key}'", f"one of {', '.join(table)}", f"Add it to {PARAMS}, or choose"
        )
