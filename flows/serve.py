"""Serve the study on its schedule, with a Prefect server on this machine: `make serve`.

    python -m flows.serve [--every SECONDS]

Starts Prefect's server on loopback (its database is SQLite, in PREFECT_HOME, ~/.prefect if not
set) unless PREFECT_API_URL names one that runs. The flow: pull data versions, run, compare with
the last good result, report what fell, register every strategy.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import CronSchedule
from prefect.events import EventTrigger
from prefect.events.actions import DoNothing
from prefect.events.schemas.automations import AutomationCore, Posture
from prefect.schedules import Cron, Interval, Schedule
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.types.entrypoint import EntrypointType

from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.settings.config import Config
from polybatch.settings.load import load

from . import server
from .alerts import EVENT, webhook_of
from .repository import check
from .study import study

NIGHTLY = {"pull": True, "register_strategies": True}
"""The flow's parameters in a scheduled run."""


def schedule_of(config: Config, every: float | None = None) -> Schedule:
    """Return the schedule of params.yaml, or one run every so many seconds.

    Raises:
        InputError: the cron line means nothing.
    """
    if every is not None:
        return Interval(timedelta(seconds=every))
    cron, zone = config.schedule.cron, config.schedule.timezone
    try:
        CronSchedule(cron=cron, timezone=zone)
    except ValueError as error:
        raise InputError(
            "params.yaml schedule.cron",
            f"'{cron}'",
            "minute, hour, day of month, month, day of week",
            "Write '0 3 * * *' for three o'clock every night",
        ) from error
    return Cron(cron, timezone=zone)


def remember_alerts() -> None:
    """Make the automation that alerts set off; give it an e-mail or chat action on its page."""
    name = "polybatch: a strategy fell"
    with get_client(sync_client=True) as client:
        if client.read_automations_by_name(name):
            return
        trigger = EventTrigger(
            expect={EVENT},
            match={"prefect.resource.id": "polybatch.strategy.*"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        )
        description = "Add an action here; alerts are in results/alerts.md too"
        client.create_automation(
            AutomationCore(
                name=name, description=description, trigger=trigger, actions=[DoNothing()]
            )
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.serve")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="instead of schedule.cron")
    chosen = parser.parse_args(arguments)
    use_utf8()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if chosen.every is not None and not 1 <= chosen.every < math.inf:
            raise InputError(
                "--every", f"{chosen.every:g}", "1 second or more", "Change the number"
            )
        check(Path.cwd())
        config = load(Path("params.yaml"))
        webhook_of(config)
        schedule = schedule_of(config, chosen.every)
        with ExitStack() as stack:
            url = PREFECT_API_URL.value()
            server.refuse_dead_server(url)
            if not url:
                url = stack.enter_context(server.running(config.schedule.port))
            os.environ["PREFECT_API_URL"] = url
            stack.enter_context(temporary_settings({PREFECT_API_URL: url}))
            remember_alerts()
            print(f"serve: {url.removesuffix('/api')} shows every run; Ctrl-C ends", flush=True)
            study.serve(
                name="nightly",
                schedule=schedule,
                parameters=NIGHTLY,
                limit=1,
                entrypoint_type=EntrypointType.MODULE_PATH,  # a file alone has no relative imports
            )
    except (InputError, InputErrorList) as error:
        print(f"serve: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
