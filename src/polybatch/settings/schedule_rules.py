"""What `schedule` of params.yaml may say: a time zone of IANA's, a cron line that fires."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache

from polybatch.core.errors import did_you_mean


def schedule_mistakes(cron: str, timezone: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield the key, what was found, what is expected and what to do.

    Example:
        >>> [(key, found) for key, found, *_ in schedule_mistakes("0 3 * *", "UTC")]
        [('cron', "'0 3 * *', 4 fields")]
    """
    zones = _zones()
    if timezone not in zones:
        yield (
            "timezone",
            f"'{timezone}'",
            "a name of the IANA time zone database, such as UTC or Africa/Lagos",
            did_you_mean(timezone, zones, "Correct the name"),
        )
    if reason := _cron_mistake(cron):
        yield (
            "cron",
            f"'{cron}'{reason}",
            "five fields: minute, hour, day of month, month, day of week",
            "Write '0 3 * * *' for three o'clock every night",
        )


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())  # reads every file of the database


def _cron_mistake(cron: str) -> str:
    """Return what is wrong with a cron line, empty for one that fires."""
    from cronsim import CronSim, CronSimError  # here: it takes longer than the file

    fields, now = cron.split(), datetime.now(UTC)
    if len(fields) != 5:
        return f", {len(fields)} fields"
    never = ", which never fires"
    try:
        next(CronSim(cron, now))
    except StopIteration:
        return never
    except CronSimError as error:
        if str(error) == "Bad day-of-month":  # of the months named, or of all
            with suppress(CronSimError):
                CronSim(" ".join([*fields[:3], "*", fields[4]]), now)
                return never
        return f" ({error})"
    return ""
