"""Make params.yaml the study of a preset, and never lose what a user wrote there.

`python -m flows.preset xquad-r` is what `make repro PRESET=xquad-r` runs first; a preset of one's
own is named by its path. `--show` prints the study in place of writing it.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

from polybatch.core.errors import InputError, InputErrorList, did_you_mean, use_utf8
from polybatch.settings.presets import composed

PARAMS, PRESETS = Path("params.yaml"), Path("presets")
BASE = PRESETS / "base.yaml"
MARK = "# Composed of"
"""How the line begins that distinguishes a composed file from one edited since."""


def study(name: str) -> str:
    """Return the text of params.yaml for a preset, by its name or the path of a file.

    Raises:
        InputError, InputErrorList: no such preset; one that gives no study.
    """
    there = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    preset = Path(name) if name not in there else PRESETS / f"{name}.yaml"
    if name not in there and not (preset.suffix in (".yaml", ".yml") and preset.is_file()):
        do = did_you_mean(name.removesuffix(".yaml"), there, "Choose one")
        expected = f"one of {', '.join(there)}, or the path of a preset of yours (.yaml)"
        raise InputError("PRESET", f"'{name}'", expected, do)
    text = composed(BASE, preset)
    if preset == BASE:
        return text
    first, rest = text.split("\n", 1)
    mark = f"{MARK} {BASE.as_posix()} and {preset.as_posix()} (as composed: {_digest(rest)})."
    return f"{first}\n{mark}\n{rest}"


def use(name: str) -> str:
    """Write the study of a preset to params.yaml and return a message for the user.

    Text that was composed, and not edited since, or was ever committed is replaced; other text is
    refused where git keeps params.yaml, and saved beside it where not. Line ends make no
    difference.
    """
    new, old = study(name).encode(), PARAMS.read_bytes() if PARAMS.exists() else b""
    if _lines(old) == _lines(new):
        return f"{PARAMS} is the study of {name} already"
    saved = None
    if old and not _is_composed(_lines(old).decode(errors="replace")):
        if _git("ls-files", PARAMS.name):
            _refuse_unsaved(old)
        else:
            digest = hashlib.sha256(old).hexdigest()[:8]
            saved = PARAMS.with_name(f"{PARAMS.stem}-{digest}{PARAMS.suffix}")
            _write(saved, old)
    _write(PARAMS, new)
    back = f"cp {saved} {PARAMS}" if saved else f"git checkout {PARAMS}"
    return f"{PARAMS} is now the study of {name}" + f" (back: {back})" * bool(old)


def _is_composed(text: str) -> bool:
    """Return whether this text was not edited since it was composed."""
    _, mark, rest = (*text.split("\n", 2), "", "")[:3]
    marked = mark.startswith(MARK) and mark.endswith(f"(as composed: {_digest(rest)}).")
    return marked or text == composed(BASE, BASE)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _refuse_unsaved(text: bytes) -> None:
    blob = _git("hash-object", "--stdin", text=_lines(text)).strip()
    if not _git("log", "--all", "-1", "--format=%H", f"--find-object={blob}"):
        raise InputError(
            PARAMS,
            "changes of yours that are saved nowhere else",
            "a file that was committed or is as a preset made it",
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


def main() -> None:
    """Write the study of a preset to params.yaml, or print it."""
    use_utf8()
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.preset")
    parser.add_argument("--show", action="store_true", help="print the study, write nothing")
    parser.add_argument("name", help="of a file in presets/, or the path of a preset of yours")
    chosen = parser.parse_args()
    try:
        sys.stdout.write(study(chosen.name) if chosen.show else f"polybatch: {use(chosen.name)}\n")
    except (InputError, InputErrorList) as error:
        sys.exit(f"polybatch: {error}")


if __name__ == "__main__":
    main()
