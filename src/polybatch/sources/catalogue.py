"""docs/sources.md, written from the registry: `python -m polybatch.sources.catalogue`."""

from __future__ import annotations

import sys
from pathlib import Path

from polybatch.settings.overlaps import same_data
from polybatch.sources.source import Source
from polybatch.sources.table import SOURCES

_HEAD = """# Sources

Written by `python -m polybatch.sources.catalogue docs/sources.md` from the registry; do not edit.
Files come from the network, pinned by revision and checksum, or from a mirror
(`POLYBATCH_MIRROR`). Licences are the publishers'; they travel with the data where they are files.
"""


def catalogue() -> str:
    """Return docs/sources.md.

    Example:
        >>> catalogue().splitlines()[0]
        '# Sources'
    """
    rows = [
        "| source | languages | splits | files | size | licence |",
        "|:---|:---|:---|---:|---:|:---|",
    ]
    rows += [_row(name, source) for name, source in sorted(SOURCES.items())]
    about = [_about(name, source) for name, source in sorted(SOURCES.items())]
    return "\n".join([_HEAD, *rows, "", *about])


def _row(name: str, source: Source) -> str:
    files = source.files(source.languages, source.splits)
    total = f"{sum(file.bytes for file in files) / 1e6:.1f} MB" if files else "–"
    languages = " ".join(source.languages) or "any"
    splits = " ".join(source.splits)
    return (
        f"| `{name}` | {languages} | {splits} | {len(files) or '–'} | {total} | {source.licence} |"
    )


def _about(name: str, source: Source) -> str:
    what = (sys.modules[type(source).__module__].__doc__ or "").strip().splitlines()[0]
    lines = [f"## {name}", "", what, ""]
    lines += [f"- {key}: {value}" for key, value in _facts(source) if value]
    return "\n".join([*lines, ""])


def _facts(source: Source) -> list[tuple[str, str]]:
    return [
        ("citation", source.citation),
        ("homepage", source.homepage),
        ("revision", source.revision.split(" 2")[0]),  # not the installed version of a package
        *(
            (f"shares data with `{other}`", what)
            for other, what in sorted(same_data(source.name).items())
        ),
        *(("note", note) for note in source.notes(source.splits)),
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m polybatch.sources.catalogue PATH")
    Path(sys.argv[1]).write_text(catalogue(), encoding="utf-8")
