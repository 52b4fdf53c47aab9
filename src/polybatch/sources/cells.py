"""A publisher's CSV: every record with the line it begins on; another form is refused by name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.sources.lines import decoded


def cells(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    r"""Yield line and cells, white space around them gone, of each record of `columns` cells.

    Raises:
        InputError: a record has another number of cells, or its quotes do not close. (A ValueError
            inside says which.)

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = path.write_text('sw, "Wapi?"\nen,"Where\nis it?"\nde,Wo?\n')
        >>> [(line, lang) for line, (lang, _) in cells(path, 2)]
        [(1, 'sw'), (2, 'en'), (4, 'de')]
    """
    reader = csv.reader(io.StringIO(decoded(path), newline=""), strict=True)
    begun = 1
    try:
        for row in reader:
            if len(row) != columns:
                raise ValueError(f"{len(row)} columns")
            yield begun, [cell.strip() for cell in row]
            begun = reader.line_num + 1
    except (csv.Error, ValueError) as error:
        raise InputError(
            f"{path}:{begun}",
            str(error),
            f"{columns} columns, separated by commas",
            "Fetch the file again: `dvc repro -f -s` of its download stage",
        ) from error
