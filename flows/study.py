"""The study as a Prefect flow: one task run a stage, in the order of DVC's graph.

    python -m flows.study [--strategy NAME ...] [--workers N] [--pull] [--register]

DVC decides what runs and keeps the only cache; Prefect decides when, and shows it. A failed stage
fails the flow; what depends on it is not run, everything else is.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Failed

from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.settings.config import Config

from .alerts import raise_alerts, webhook_of
from .artifacts import Progress, show_results
from .check import check_params, check_workers, remarks
from .command import INTERRUPTED, SKIPPED, StageFailed, Stages, title
from .current import export_current
from .forecast import Forecast, forecast_lines, seconds_before
from .graph import choose, lock_changes, locked_stages, read_graph, ready, sort_lock
from .leftovers import plan_without_leftovers
from .plan import Plan, too_many
from .register import register
from .repository import check
from .runners import Runners, runners
from .server import refuse_dead_server, wait_for_server
from .workspace import Busy, lock_workspace, notes, repair

_STATE = {"Completed": "ran", "Cached": "cached", "NotReady": "not run", "NotRun": "not run"}


@task(cache_policy=NO_CACHE)
def bring_up_to_date(address: str, plan: Plan, stages: Stages) -> State:
    """Run one stage if DVC finds that it has to run; the state says which, and why."""
    if address in plan.unchanged:
        return Completed(name="Cached", message="nothing that it depends on changed")
    logger = get_run_logger()
    upstream = ", ".join(plan.graph[address].upstream)
    logger.info("%s: %s", address, plan.reasons.get(address) or f"after {upstream}")
    progress = Progress(address)

    def log_line(line: str) -> None:
        logger.info("%s", line)
        progress.update(line)

    try:
        outcome = stages.run(address, log_line)
    except StageFailed as error:
        if plan.graph[address].network:  # Prefect tries again what raises
            raise
        return Failed(message=str(error))
    if outcome.how == "unchanged":
        return Completed(name="Cached", message="what it depends on was made again, the same")
    changes = lock_changes(plan.before.get(address), locked_stages(stages.root).get(address))
    if outcome.how == "cached":
        return Completed(name="Cached", message=f"outputs from DVC's cache ({changes})")
    return Completed(message=f"ran: {changes}")


@flow(name="study")
def study(
    strategies: list[str] | None = None,
    workers: int | None = None,
    pull: bool = False,
    register_strategies: bool = False,
) -> State:
    """Bring the workspace's study up to date, compare with the last good one, report what fell."""
    logger, root = get_run_logger(), Path.cwd()
    try:
        check(root)
        config = check_params(root)
        webhook_of(config)
        workers = workers or config.study.workers
        with lock_workspace(root, config.flow.overlap) as lock:
            hints = [*notes(root), *remarks(root, config), *too_many(config, workers)]
            for line in [*repair(root), *hints]:
                logger.warning(line)
            if pull:
                logger.info(fetch(root))
            plan, lines = plan_without_leftovers(root, strategies or [])
            for line in lines:
                logger.warning(line)
            stages = Stages(root, config.study.threads, workers, config.flow.stage_hours, lock)
            known = seconds_before(root, plan.graph)
            forecast = Forecast(plan.graph, plan.to_run, known, workers, root)
            for line in forecast_lines(root, forecast, plan.before) if plan.to_run else []:
                logger.info(line)
            with runners(root, config, workers) as where:
                states = _run_all(plan, stages, forecast, config, where)
            sort_lock(root, plan.graph)
            return _conclude(root, config, states, register_strategies, whole=not strategies)
    except Busy as busy:
        return Completed(name="Skipped", message=str(busy))
    except (InputError, InputErrorList) as error:
        return Failed(message=str(error))


def fetch(root: Path) -> str:
    """Bring versions of data and results from the DVC remote to the cache, if there is a remote."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock"]
    remotes = subprocess.run(
        [*command, "remote", "list"], cwd=root, capture_output=True, text=True, check=False
    )
    if not remotes.stdout.strip():
        return "no DVC remote is configured (`dvc remote add --default`): nothing to pull"
    answer = subprocess.run(
        [*command, "fetch", "--run-cache"], cwd=root, capture_output=True, text=True, check=False
    )
    lines = (answer.stdout + answer.stderr).strip().splitlines()
    if answer.returncode:
        return f"dvc fetch failed, going on with what is here: {lines[-1] if lines else ''}"
    return f"dvc fetch: {lines[-1] if lines else 'done'}"


def _run_all(
    plan: Plan, stages: Stages, forecast: Forecast, config: Config, where: Runners
) -> dict[str, State[Any]]:
    """Run every stage when all it depends on is done, at most `forecast.workers` at a time."""
    logger = get_run_logger()
    futures: dict[str, PrefectFuture[Any]] = {}
    states: dict[str, State[Any]] = {}
    ended: Queue[str] = Queue()
    try:
        while len(states) < len(plan.graph):
            for address in ready(plan.graph, futures, states, forecast.workers):
                forecast.begin(address)
                futures[address] = _submit(address, plan, stages, futures, config, where)
                futures[address].add_done_callback(partial(_put, ended, address))
            address = ended.get()
            futures[address].wait()
            states[address] = futures[address].state
            forecast.end(address)
            if address not in plan.unchanged and forecast.waiting:
                logger.info(forecast.line())
    except BaseException:  # also Ctrl-C and Prefect's cancellation
        stages.interrupt()
        raise
    return states


def _put(ended: Queue[str], address: str, _: object) -> None:
    ended.put(address)


def _submit(
    address: str,
    plan: Plan,
    stages: Stages,
    futures: dict[str, PrefectFuture[Any]],
    config: Config,
    where: Runners,
) -> PrefectFuture[Any]:
    box = plan.graph[address]
    again = box.network
    # With tags Prefect queries its server for limits: slower than finding nothing to do.
    tags = [] if address in plan.unchanged else [box.stage, *([box.key] if box.key else [])]
    named = bring_up_to_date.with_options(
        name=box.stage,
        task_run_name=address,
        tags=tags,
        retries=config.flow.network_retries if again else 0,
        retry_delay_seconds=config.flow.retry_seconds if again else 0,
    )
    upstream = {up: futures[up] for up in box.upstream if up in futures}
    parameters = {"address": address, "plan": plan, "stages": stages}
    return where.submit(named, box, parameters, upstream)


def _conclude(
    root: Path, config: Config, states: dict[str, State[Any]], named: bool, whole: bool
) -> State:
    logger = get_run_logger()
    failed = {at: state for at, state in states.items() if state.is_failed() or state.is_crashed()}
    waiting = [at for at, state in states.items() if not state.is_final()]
    ran = [at for at, state in states.items() if state.name == "Completed"]
    alerts = raise_alerts(root, config, sorted({*failed, *waiting}), whole)
    for line in [*alerts.lines, *([f"webhook: {alerts.webhook}"] if alerts.webhook else [])]:
        logger.warning(line)
    show_results(root, {at: _message(state) for at, state in states.items()})
    wait_for_server(list(states.values()))
    if not failed and named:
        logger.info(register(root))
    if config.flow.export and not failed and not alerts.lines:
        logger.info(export_current(root, config))
    if failed:
        causes = "; ".join(_cause(at, state) for at, state in failed.items())
        left = f" Not run: {', '.join(waiting)}." if waiting else ""
        return Failed(message=f"{causes}.{left} {len(states) - len(failed) - len(waiting)} fine.")
    fell = f"; {len(alerts.lines)} alerts, see results/alerts.md" if alerts.lines else ""
    return Completed(message=f"{len(ran)} stages ran, {len(states) - len(ran)} cached{fell}")


def _message(state: State[Any]) -> str:
    name = str(state.name)
    return f"{_STATE.get(name, name.lower())}: {state.message or ''}".rstrip(": ")


def _cause(address: str, state: State[Any]) -> str:
    message = (state.message or "").removeprefix("Task run encountered an exception ")
    message = message.removeprefix("StageFailed: ")
    return message if title(address) in message else f"{title(address)}: {message}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow here and return the exit code: 0 if everything is up to date."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.study", description=study.description
    )
    parser.add_argument("--strategy", action="append", metavar="NAME", help="only this one; repeat")
    parser.add_argument("--workers", type=int, help="instead of study.workers")
    parser.add_argument("--pull", action="store_true", help="fetch from the DVC remote first")
    parser.add_argument("--register", action="store_true", help="then register every strategy")
    chosen = parser.parse_args(arguments)
    use_utf8()
    signal.signal(signal.SIGTERM, _interrupt)  # else Prefect's temporary server would stay
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        check_workers(chosen.workers)
        check(Path.cwd())
        webhook_of(check_params(Path.cwd()))
        if chosen.strategy:
            with Repo(".") as repo:
                choose(read_graph(repo), chosen.strategy)
        refuse_dead_server(PREFECT_API_URL.value())
        state = study(
            chosen.strategy, chosen.workers, chosen.pull, chosen.register, return_state=True
        )
    except (InputError, InputErrorList) as error:
        print(f"study: {error}", file=sys.stderr)
        return 2
    except DvcException as error:
        print(f"study: dvc.yaml: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("study: interrupted; what was finished is kept", file=sys.stderr)
        return INTERRUPTED
    print(f"study: {state.message}", file=sys.stderr)
    if state.name == "Skipped":
        return SKIPPED
    return 0 if state.is_completed() else 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def end_soon(seconds: float = 15.0) -> None:
    """Let this process end although Prefect waits, without limit, for a server that is gone."""
    last = threading.Timer(seconds, os._exit, (1,))
    last.daemon = True
    last.start()


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        end_soon()
