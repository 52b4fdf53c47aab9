"""The JSON Schemas by which editors complete and check params.yaml and presets.

Written from the settings: `python -m polybatch.settings.schema`, in the repository's root.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polybatch.settings.load import schema
from polybatch.settings.presets import WHOLE


def schema_texts() -> dict[str, str]:
    """Return the schema files by path: of params.yaml, and of presets, which may lack keys.

    Example:
        >>> whole, part = map(json.loads, schema_texts().values())
        >>> "batches" in whole["required"], "required" in part
        (True, False)
        >>> "steps" in whole["$defs"]["BatchSettings"]["required"]
        True
    """
    found = {"params.schema.json": schema(), "presets/params.schema.json": _of_presets(schema())}
    return {
        path: json.dumps(_without_titles(part), indent=1, ensure_ascii=False) + "\n"
        for path, part in found.items()
    }


def _of_presets(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a file that replaces some sections and changes keys of others."""
    del whole["required"]
    for name, section in whole["properties"].items():
        if name not in WHOLE and "$ref" in section:
            whole["$defs"][section["$ref"].rpartition("/")[2]].pop("required", None)
    return whole


def _without_titles(part: Any) -> Any:
    """Return the schema without the keys' names in other letters, which pydantic adds."""
    if isinstance(part, list):
        return [_without_titles(one) for one in part]
    if isinstance(part, dict):
        return {key: _without_titles(one) for key, one in part.items() if key != "title"}
    return part


if __name__ == "__main__":
    for name, text in schema_texts().items():
        Path(name).write_text(text, encoding="utf-8")
