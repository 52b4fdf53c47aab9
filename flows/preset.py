"""Make params.yaml a copy of presets/<name>.yaml, and never lose what a user wrote there.

`python -m flows.preset xquad-r` is what `make repro PRESET=xquad-r` runs first.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from polybatch.errors import InputError, did_you_mean

PARAMS, PRESETS = Path("params.yaml"), Path("presets")


def use(name: str) -> str:
    """Copy the preset over params.yaml and return what to tell the user.

    Text that is a preset or was ever committed is replaced; other text is refused where git keeps
    params.yaml, and saved beside it where not. Line ends make no difference.
    """
    there = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    if name not in there:
        do = did_you_mean(name.removesuffix(".yaml"), there, "Choose one")
        raise InputError("PRESET", f"'{name}'", f"one of {', '.join(there)}", do)
    preset = PRESETS / f"{name}.yaml"
    new, old = preset.read_bytes(), PARAMS.read_bytes() if PARAMS.exists() else b""
    if _lines(old) == _lines(new):
        return f"{PARAMS} is {preset} already"
    saved = None
    if old and _lines(old) not in [_lines(path.read_bytes()) for path in PRESETS.glob("*.yaml")]:
        if _git("ls-files", PARAMS.name):
            _refuse_unsaved(old)
        else:
            digest = hashlib.sha256(old).hexdigest()[:8]
            saved = PARAMS.with_name(f"{PARAMS.stem}-{digest}{PARAMS.suffix}")
            _write(saved, old)
    _write(PARAMS, new)
    back = f"cp {saved} {PARAMS}" if saved else f"git checkout {PARAMS}"
    return f"{PARAMS} is now a copy of {preset}" + f" (back: {back})" * bool(old)


def _refuse_unsaved(text: bytes) -> None:
    blob = _git("hash-object", "--stdin", text=_lines(text)).strip()
    if not _git("log", "--all", "-1", "--format=%H", f"--find-object={blob}"):
        raise InputError(
            PARAMS,
            "changes of yours that are saved nowhere else",
            "a file that was committed or is a copy of a preset",
            f"Commit it, or copy it to {PRESETS}/<name>.yaml, then run the same command again",
        )


def _git(*arguments: str, text: bytes = b"") -> str:
    """Return what git answers; nothing without git, or outside a repository."""
    command = ["git", *arguments]
    try:
        answer = subprocess.run(command, input=text, capture_output=True, check=False)
    except FileNotFoundError:
        return ""
    return answer.stdout.decode() if answer.returncode == 0 else ""


def _lines(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n")


def _write(path: Path, text: bytes) -> None:
    temporary = path.with_name(f".{path.name}.partial-preset")
    temporary.write_bytes(text)
    temporary.replace(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m flows.preset NAME")
    try:
        print(f"polybatch: {use(sys.argv[1])}")
    except InputError as error:
        sys.exit(f"polybatch: {error}")
