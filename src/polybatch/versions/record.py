"""versions.yaml: the number of each stage's results, its command, and the digest of its code.

A stage's number goes up exactly when the same inputs give other outputs (`make versions` proves
it), so a refactoring reruns nothing. `download` has one number per source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from polybatch.core.errors import InputError
from polybatch.core.files import whole_file

VERSIONS = Path("versions.yaml")


@dataclass(frozen=True)
class Versions:
    """The file, stages of `download` written `download.cldr` (as in `numbers`, `code`)."""

    numbers: dict[str, int]
    code: dict[str, str]
    commands: dict[str, str]

    def of_source(self, name: str) -> int:
        """Return the version of a source's download; one's own, as `local-faq`, have their kind's.

        Raises:
            InputError: versions.yaml has no such source.

        Example:
            >>> Versions({"download.local": 3}, {}, {}).of_source("local-faq")
            3
        """
        found = self.numbers.get(f"download.{name}", self.numbers.get(f"download.{kind_of(name)}"))
        if found is None:
            raise InputError(
                f"{VERSIONS} download.{name}",
                "nothing",
                "a whole number for every source",
                f"Add `{name}: 1` below download",
            )
        return found


def kind_of(source: str) -> str:
    """Return what a source of one's own is an example of.

    Example:
        >>> kind_of("local-faq"), kind_of("cldr")
        ('local', 'cldr')
    """
    return source.partition("-")[0]


def read_versions(path: Path) -> Versions:
    r"""Read versions.yaml; InputError where it is missing or has another form.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "versions.yaml"
        >>> _ = path.write_text("fuse: 1\ndownload: {cldr: 2}\ncode: {}\ncommands: {}\n")
        >>> read_versions(path).numbers
        {'fuse': 1, 'download.cldr': 2}
    """
    try:
        raw = _yaml().load(path.read_text(encoding="utf-8"))
        code, commands = raw["code"], raw["commands"]
        numbers = {name: value for name, value in raw.items() if name not in ("code", "commands")}
        return Versions(_flat(numbers), _flat(code), dict(commands))
    except YAMLError as error:
        raise InputError(
            path,
            f"what is no YAML ({str(error).splitlines()[0]})",
            "the versions of all stages",
            f"Resolve the conflict, if a merge marked one there; else run `git checkout {path}`",
        ) from error
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            path, f"{error!r}", "the versions of all stages", f"Run `git checkout {path}`"
        ) from error


def older_code(path: Path, digests: Mapping[str, str], sources: Iterable[str] = ()) -> list[str]:
    """Return the stages whose code is not the one recorded: their results may be of older code.

    `digests`: of the code that is here (`stage_digests`). Of `download`, only these sources; all
    where none is named.
    """
    recorded, kinds = read_versions(path).code, {*map(kind_of, sources), *sources}
    return [
        name
        for name, digest in digests.items()
        if recorded.get(name) != digest
        and (not kinds or "." not in name or name.partition(".")[2] in kinds)
    ]


def older_code_message(stages: list[str], repository: bool) -> str:
    """Say that stages changed since their results' version was recorded, and what to do.

    `repository`: the study stands with the code, not in a folder of its own (`polybatch init`).

    Example:
        >>> older_code_message(["evaluate"], repository=True)[:54]
        'the code of evaluate is not what versions.yaml records'
    """
    cure = "`make versions` finds out whether the new code gives other results"
    if not repository:
        cure = (
            "`polybatch upgrade` says which stages give other results now, `polybatch upgrade"
            " --pipeline` lets the next run rerun them"
        )
    return (
        f"the code of {', '.join(stages)} is not what {VERSIONS} records: results of older code"
        f" are kept as they are. {cure}; `dvc repro -f -s {stages[0].partition('.')[0]}` runs a"
        " stage regardless"
    )


def raised(recorded: Versions, current: Versions) -> dict[str, tuple[int | None, int]]:
    """Return the stages whose number is another now: recorded (None: not there) and current.

    Example:
        >>> old, new = ({"validate": 1, "fuse": 1}, {"validate": 2, "fuse": 1})
        >>> raised(Versions(old, {}, {}), Versions(new, {}, {}))
        {'validate': (1, 2)}
    """
    return {
        name: (recorded.numbers.get(name), number)
        for name, number in current.numbers.items()
        if recorded.numbers.get(name) != number
    }


def write_versions(path: Path, code: Mapping[str, str], bumped: Iterable[str] = ()) -> None:
    r"""Record digests and add 1 to the numbers of `bumped`; comments of the file are kept.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "versions.yaml"
        >>> _ = path.write_text("fuse: 1  # joins ranks\ncode: {fuse: a1}\ncommands: {}\n")
        >>> write_versions(path, {"fuse": "b2"}, bumped=["fuse"])
        >>> path.read_text()
        'fuse: 2  # joins ranks\ncode: {fuse: b2}\ncommands: {}\n'
    """
    yaml = _yaml()
    raw = yaml.load(path.read_text(encoding="utf-8"))
    for name, digest in code.items():
        _set(raw["code"], name, digest)
    for name in bumped:
        _set(raw, name, _flat(raw)[name] + 1)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        yaml.dump(raw, stream)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 1000
    yaml.preserve_quotes = True
    return yaml


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": below for key, below in value.items()}
        else:
            flat[name] = value
    return flat


def _set(raw: Any, name: str, value: object) -> None:
    first, _, second = name.partition(".")
    if second:
        raw[first][second] = value
    else:
        raw[first] = value
