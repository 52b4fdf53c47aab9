"""The sections `flow`, `schedule` and `notify` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from polybatch.settings.types import (
    EXACT,
    in_range,
)


@dataclass(frozen=True, config=EXACT)
class FlowSettings:
    """How a flow runs the stages. None of this decides a result.

    `overlap`: what a second flow in one workspace does while the first one runs. `runner`: where
    train, index and evaluate run: processes here, or Ray's workers, which see the same folder.
    `export`: put the best training of `study.focus` into models/current after a run without alert.
    """

    overlap: Literal["wait", "skip"]
    network_retries: Annotated[int, in_range(0, 100)]
    retry_seconds: Annotated[int, in_range(0, 86_400)]
    stage_hours: Annotated[float, in_range(0.0001, 10_000.0)]
    runner: Literal["local", "ray"]
    ray_address: str | None
    ray_gpus: Annotated[float, in_range(0, 64)]
    export: bool = False


@dataclass(frozen=True, config=EXACT)
class ScheduleSettings:
    """When the study runs by itself (`cron`: five fields), and the server's port on loopback."""

    cron: str
    timezone: str
    port: Annotated[int, in_range(1, 65535)]


@dataclass(frozen=True, config=EXACT)
class NotifySettings:
    """When to raise an alert: `measure`, in [0, 1], is more than `drop` below the last good one.

    Without `drop`: when it is below the last good one's interval (results/significance.csv).
    `webhook`: the URL that the alert is posted to as JSON, or null.
    """

    measure: str
    webhook: str | None
    drop: Annotated[float | None, in_range(0.0, 1.0)]
