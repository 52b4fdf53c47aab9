"""Where stages run: in threads that wait for processes here, or on Ray's workers.

Ray's workers run the same `dvc repro -s STAGE` in the same folder, which a cluster has to share;
results pass as paths. Without Ray (extra `polybatch[ray]`), nothing of it is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from polybatch.core.errors import InputError
from polybatch.settings.config import Config

from .graph import Box

Runner = Any  # a Prefect task runner
Future = PrefectFuture[Any]


class Runners:
    """The threads of this flow, and Ray if the params name it."""

    def __init__(self, threads: Runner, ray: Runner | None, options: dict[str, float]) -> None:
        self._threads, self._ray, self._options = threads, ray, options

    def submit(
        self, task: Any, box: Box, parameters: dict[str, Any], upstream: dict[str, Future]
    ) -> Future:
        """Submit a stage's task; on Ray if it may run there and all it needs is done."""
        done = all(future.state.is_completed() for future in upstream.values())
        if self._ray is None or not (box.scale and done):
            waited = list(upstream.values())
            here: Future = self._threads.submit(task, parameters=parameters, wait_for=waited)
            return here
        from prefect_ray.context import remote_options

        with remote_options(**self._options):
            there: Future = self._ray.submit(task, parameters=parameters)
        return there


@contextmanager
def runners(root: Path, config: Config, workers: int) -> Iterator[Runners]:
    """Yield the study's runners, started.

    Raises:
        InputError: params name Ray and it is not installed.
    """
    wanted = config.flow.runner == "ray"
    ray = _ray(root, config, workers) if wanted else nullcontext()
    options = {"num_cpus": float(config.study.threads), "num_gpus": config.flow.ray_gpus}
    here: Runner = ThreadPoolTaskRunner(max_workers=workers + 2)
    with here as threads, ray as found:
        yield Runners(threads, found, options)


def _ray(root: Path, config: Config, workers: int) -> Any:
    try:
        from prefect_ray import RayTaskRunner
    except ImportError as error:
        raise InputError(
            "flow.runner",
            f"'ray', and {error}",
            "prefect-ray in this environment",
            "Install it (`pip install 'polybatch[ray]'`), or write runner: local",
        ) from error
    code = Path(__file__).resolve().parents[1]  # as a rule `root`; workers import it from there
    places = [root, root / "src", code, code / "src", os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(map(str, dict.fromkeys(places)))
    given: dict[str, Any] = {
        "runtime_env": {"env_vars": {"PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}},
        "log_to_driver": False,
    }
    if config.flow.ray_address is None:  # as many places as workers, whatever the cores
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        given |= {"num_cpus": workers * config.study.threads, "include_dashboard": False}
    return RayTaskRunner(address=config.flow.ray_address, init_kwargs=given)
