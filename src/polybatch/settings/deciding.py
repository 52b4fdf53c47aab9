"""What of a training's settings decides its weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from polybatch.settings.adaptation import AdaptationSettings
from polybatch.settings.training import TrainingSettings

_NO_RESULT = ("checkpoint_every", "log_every")  # other values, same weights
_SINCE = {"grouped_texts": 0}  # later keys, with the value that all trainings before them had


def deciding(settings: AdaptationSettings | TrainingSettings) -> dict[str, Any]:
    """Return the settings that decide the weights; a key that came later only where it is used."""
    return {
        key: value
        for key, value in asdict(settings).items()
        if key not in _NO_RESULT and (key, value) not in _SINCE.items()
    }
