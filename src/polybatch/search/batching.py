"""Requests that come at the same time, answered together: an encoder takes a batch at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from polybatch.search.searcher import Request, Searcher

AT_ONCE = 32
"""Requests that are answered together."""

Answer = dict[str, Any]


class Batcher:
    """One thread that searches; what arrives meanwhile waits and goes together.

    Nobody waits for others to come: under no load a request is answered at once.
    """

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self._worker = ThreadPoolExecutor(1, "search")
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._running: asyncio.Task[None] | None = None

    async def search(self, request: Request) -> Answer:
        """Return the answer; InputError if the request cannot be searched."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await future

    async def call(self, function: Callable[[], Any]) -> Any:
        """Return what a function returns that reads the searcher, in the thread that searches."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, function)

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            requests = [request for request, _ in batch]
            answers = await self.call(partial(self._each, requests))
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():  # its client has gone
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _each(self, requests: Sequence[Request]) -> Sequence[Answer | Exception]:
        """Return answers, or the error of each request that has one: others do not suffer."""
        try:
            return self._searcher.search_all(requests)
        except Exception as error:
            if len(requests) == 1:
                return [error]
            return [self._each([request])[0] for request in requests]

    def close(self) -> None:
        """End the thread after what it does now."""
        self._worker.shutdown()
