"""Check params.yaml before DVC hashes anything: `python -m flows.check`, which `make repro` runs.

Mistakes end it with the message that a stage gives, and exit code 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from polybatch.config import load
from polybatch.errors import InputError, InputErrorList

if __name__ == "__main__":
    try:
        load(Path("params.yaml"))
    except (InputError, InputErrorList) as error:
        sys.exit(f"polybatch: {error}")
