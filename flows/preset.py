"""Make params.yaml a copy of presets/<name>.yaml, and never lose what a user wrote there.

`python -m flows.preset xquad-r` is what `make repro PRESET=xquad-r` runs first.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PARAMS, PRESETS = Path("params.yaml"), Path("presets")


def use(name: str) -> str:
    """Copy the preset over params.yaml and return what to tell the user; SystemExit if unsafe."""
    preset = PRESETS / f"{name}.yaml"
    if not preset.is_file():
        there = ", ".join(sorted(path.stem for path in PRESETS.glob("*.yaml")))
        sys.exit(f"PRESET: found '{name}', expected one of {there}. Choose one.")
    text = preset.read_bytes()
    if PARAMS.read_bytes() == text:
        return f"{PARAMS} is {preset} already"
    if PARAMS.read_bytes() not in [_committed(), *(p.read_bytes() for p in PRESETS.glob("*.yaml"))]:
        sys.exit(
            f"{PARAMS}: found changes of yours that are saved nowhere else, expected a committed"
            f" file or a copy of a preset. Commit it, or copy it to {PRESETS}/<name>.yaml, then"
            " run the same command again."
        )
    temporary = PARAMS.with_name(f".{PARAMS.name}.partial-preset")
    temporary.write_bytes(text)
    temporary.replace(PARAMS)
    return f"{PARAMS} is now a copy of {preset} (back: git checkout {PARAMS})"


def _committed() -> bytes | None:
    command = ["git", "show", f"HEAD:./{PARAMS}"]
    answer = subprocess.run(command, capture_output=True, check=False)
    return answer.stdout if answer.returncode == 0 else None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m flows.preset NAME")
    print(f"polybatch: {use(sys.argv[1])}")
