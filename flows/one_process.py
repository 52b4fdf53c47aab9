"""`dvc repro` in this process, which saves the start of one per stage; its stages in turn."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import psutil

from .command import GRACE, environment, title
from .forecast import Forecast

_BROKEN_PIPE = 141


class _Follower:
    """Follows DVC's messages (a filter of them): what is done, and what takes too long."""

    def __init__(self, forecast: Forecast, hours: float, say: Callable[[str], None]) -> None:
        self.forecast, self.hours, self.say = forecast, hours, say
        self.stopped, self.overdue = False, ""
        self._timer = Timer(0, lambda: None)

    def __call__(self, record: logging.LogRecord) -> bool:
        address = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
        message = str(record.msg)
        if message.startswith("Running stage"):
            for running in list(self.forecast.begun):
                self.forecast.end(running)
            if self.stopped:
                raise KeyboardInterrupt
            self.forecast.begin(address)
            self._watch(address)
            self.say(f"polybatch: {self.forecast.line()}")
        elif "didn't change" in message or "is cached" in message:
            self.forecast.end(address)
        return True

    def end(self) -> None:
        """End the clock of the last stage."""
        self._timer.cancel()

    def stop(self) -> None:
        """End the stage that runs, first politely, then for sure; none begins any more."""
        self.stopped = True
        children = psutil.Process().children(recursive=True)
        for send, seconds in ((signal.SIGINT, GRACE), (signal.SIGKILL, 1.0)):
            for child in children:
                with contextlib.suppress(psutil.Error):
                    child.send_signal(send)
            _, children = psutil.wait_procs(children, seconds)

    def _watch(self, address: str) -> None:
        self._timer.cancel()
        self._timer = Timer(self.hours * 3600, self._end_late, (address,))
        self._timer.daemon = True
        self._timer.start()

    def _end_late(self, address: str) -> None:
        self.overdue = f"{title(address)} was ended after {self.hours:g} hours"
        self.stop()


def in_one_process(root: Path, forecast: Forecast, hours: float, say: Callable[[str], None]) -> int:
    """Run `dvc repro` here, with a line by `say` before each stage; return the exit code.

    In a thread, as DVC lets its process ignore Ctrl-C in the main one while a stage runs.
    """
    import dvc.stage
    import dvc.stage.cache
    import dvc.stage.run
    from dvc.cli import main as dvc_main

    follow = _Follower(forecast, hours, say)
    loggers = [dvc.stage.logger, dvc.stage.cache.logger, dvc.stage.run.logger]
    os.environ.update(environment(root, None))
    for logger in loggers:
        logger.addFilter(follow)
    try:
        with ThreadPoolExecutor(1) as pool:
            # else a stage that ends while another DVC command works here is lost after 3 s
            running = pool.submit(dvc_main, ["--wait-for-lock", "repro"])
            try:
                code = running.result()
            except BaseException:  # Ctrl-C
                follow.stop()
                raise
    finally:
        follow.end()
        for logger in loggers:
            logger.removeFilter(follow)
    if code == _BROKEN_PIPE:
        raise BrokenPipeError
    if code:  # meets also a pipe that nobody reads, which DVC takes for the stage's failure
        left = f"; {len(forecast.waiting)} stages were not run" if forecast.waiting else ""
        say(f"polybatch: the study is not up to date{left}")
    if follow.overdue:
        print(f"polybatch: {follow.overdue}", file=sys.stderr)
    return 1 if code else 0
