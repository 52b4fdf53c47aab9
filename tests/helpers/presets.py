"""Every preset composed, as tests/golden/presets has it: `python -m tests.helpers.presets`."""

from __future__ import annotations

from pathlib import Path

from flows.preset import PRESETS, study

GOLDEN = Path(__file__).parents[1] / "golden/presets"


def studies() -> dict[str, str]:
    """Return the whole params.yaml of each preset, by its name; run in the repository's root."""
    return {path.stem: study(path.stem) for path in sorted(PRESETS.glob("*.yaml"))}


if __name__ == "__main__":
    composed = studies()
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.yaml"):
        old.unlink()
    for name, text in composed.items():
        (GOLDEN / f"{name}.yaml").write_text(text, encoding="utf-8")
