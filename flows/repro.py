"""Bring the study up to date without Prefect: `python -m flows.repro`, which `make repro` runs.

    python -m flows.repro [--workers N]

With one worker this is `dvc repro`; with more, stages that do not need each other run side by
side, each as flows run it, to the same files. `study.workers` says how many, here as in flows.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from types import NoneType

from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.core.processes import end_children_at_sigterm, end_unread
from polybatch.settings.config import Config

from .check import check_params, check_workers, remarks
from .command import INTERRUPTED, SKIPPED, StageFailed, Stages
from .forecast import Forecast, forecast_lines, seconds_before
from .graph import ready, sort_lock
from .leftovers import plan_without_leftovers
from .one_process import in_one_process
from .plan import Plan, too_many
from .repository import check
from .workspace import Busy, lock_workspace, repair

_OF_A_STAGE = (StageFailed, OSError, NoneType)


def repro(root: Path, config: Config, workers: int, lock: int) -> int:
    """Run what is not up to date; return the exit code. `lock`: the workspace's, which is held."""
    plan, lines = plan_without_leftovers(root, [])
    for line in lines:
        _print_line(f"polybatch: {line}")
    if not plan.to_run:
        sort_lock(root, plan.graph)  # `dvc repro` has appended what it ran
        _print_line(f"polybatch: none of {len(plan.graph)} stages has to run")
        print("Data and pipelines are up to date.", flush=True)
        return 0
    known = seconds_before(root, plan.graph)
    forecast = Forecast(plan.graph, plan.to_run, known, workers, root)
    for line in forecast_lines(root, forecast, plan.before):
        _print_line(f"polybatch: {line}")
    try:
        if workers == 1 or len(plan.to_run) == 1:
            return in_one_process(root, forecast, config.flow.stage_hours, _print_line)
        stages = Stages(root, config.study.threads, workers, config.flow.stage_hours, lock)
        return _side_by_side(plan, stages, forecast)
    finally:
        sort_lock(root, plan.graph)


def _side_by_side(plan: Plan, stages: Stages, forecast: Forecast) -> int:
    """Run every stage when all it depends on is done; after a failure begin no other."""
    done, failed = dict.fromkeys(plan.unchanged), dict[str, str]()
    begun = dict.fromkeys(plan.unchanged)
    ended: Queue[tuple[str, BaseException | None]] = Queue()

    def run(address: str) -> None:
        try:
            stages.run(address, _print_line)
            ended.put((address, None))
        except BaseException as error:  # also of a pipe that nobody reads, met by this thread
            ended.put((address, error))

    with ThreadPoolExecutor(forecast.workers) as pool:
        try:
            while True:
                new = [] if failed else ready(plan.graph, begun, done, forecast.workers)
                for address in new:
                    begun[address] = None
                    forecast.begin(address)
                    pool.submit(run, address)
                if len(begun) == len(done):
                    break
                _print_line(f"polybatch: {forecast.line()}")
                address, error = ended.get()
                if isinstance(error, BrokenPipeError) or not isinstance(error, _OF_A_STAGE):
                    raise error
                forecast.end(address)
                done[address] = None
                if error:
                    failed[address] = str(error)
        except BaseException:  # Ctrl-C
            stages.interrupt()
            raise
    for message in failed.values():
        left = f"; {len(forecast.waiting)} stages were not run" if forecast.waiting else ""
        print(f"polybatch: {message}{left}", file=sys.stderr)
    return 1 if failed else 0


def _print_line(line: str) -> None:
    print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the study here up to date and return the exit code: 0 if it is."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.repro")
    parser.add_argument("--workers", type=int, help="instead of study.workers")
    chosen, root = parser.parse_args(arguments), Path.cwd()
    use_utf8()
    end_children_at_sigterm()
    log = logging.getLogger("polybatch")  # not the root: DVC's own messages would come twice
    log.addHandler(logging.StreamHandler(sys.stdout))
    try:
        check_workers(chosen.workers)
        check(root)
        config = check_params(root)
        workers = chosen.workers or config.study.workers
        with lock_workspace(root, config.flow.overlap) as lock:
            for line in [*repair(root), *remarks(root, config), *too_many(config, workers)]:
                _print_line(f"polybatch: {line}")
            return repro(root, config, workers, lock)
    except (Busy, InputError, InputErrorList) as error:
        print(f"polybatch: {error}", file=sys.stderr)
        return SKIPPED if isinstance(error, Busy) else 1
    except KeyboardInterrupt:
        print("polybatch: interrupted; what was finished is kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return end_unread("polybatch")


if __name__ == "__main__":
    sys.exit(main())
