"""params.schema.json, by which editors complete and check params.yaml.

Written from the settings: `python -m polybatch.settings.schema params.schema.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from polybatch.settings.load import schema


def schema_text() -> str:
    """Return params.schema.json.

    Example:
        >>> json.loads(schema_text())["$defs"]["BatchSettings"]["properties"]["steps"]["minimum"]
        1
    """
    return json.dumps(_without_titles(schema()), indent=1, ensure_ascii=False) + "\n"


def _without_titles(part: Any) -> Any:
    """Return the schema without the keys' names in other letters, which pydantic adds."""
    if isinstance(part, list):
        return [_without_titles(one) for one in part]
    if isinstance(part, dict):
        return {key: _without_titles(one) for key, one in part.items() if key != "title"}
    return part


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m polybatch.settings.schema PATH")
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
