"""Fifty clients ask a served study for a minute: requests a second, p50, p95, errors.

    python benchmarks/serve_load.py --folder STUDY      # a study that has run (default: here)

Server and clients share the machine. Each client asks one of the dataset's own questions, waits for
the answer and asks the next.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx


async def _client(
    number: int, http: httpx.AsyncClient, bodies: list[dict[str, str]], until: float,
    took: list[float],
) -> int:  # fmt: skip
    chance, errors = random.Random(f"client/{number}"), 0
    while time.perf_counter() < until:
        start = time.perf_counter()
        try:
            answer = await http.post("/search", json=chance.choice(bodies))
            errors += answer.status_code != 200
        except httpx.HTTPError:
            errors += 1
        took.append(time.perf_counter() - start)
    return errors


async def _run(address: str, clients: int, seconds: float) -> str:
    limits = httpx.Limits(max_connections=clients)
    took: list[float] = []
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60) as http:
        examples = (await http.get("/examples?count=50")).json()
        ready = (await http.get("/strategies")).json()["default"]  # the focus, if it is indexed
        bodies = [{"query": one["text"], "strategy": ready} for one in examples]
        until = time.perf_counter() + seconds
        errors = await asyncio.gather(
            *(_client(number, http, bodies, until, took) for number in range(clients))
        )
    cuts = statistics.quantiles(took, n=100)
    return (
        f"{clients} clients, {seconds:g} s: {len(took)} requests, {len(took) / seconds:.0f} a"
        f" second, p50 {1000 * cuts[49]:.0f} ms, p95 {1000 * cuts[94]:.0f} ms, {sum(errors)} errors"
    )


@contextmanager
def _served(folder: str) -> Iterator[str]:
    """Serve a study and yield its address; empty where nothing is indexed yet."""
    command = ["polybatch", "serve", "--port", "0", "--folder", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield "" if "nothing yet" in line else line.split()[0]
        finally:
            process.terminate()


def main() -> None:
    """Read the arguments and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=".")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    with _served(given.folder) as address:
        if not address:
            print("nothing is indexed in this study: run `dvc repro` first")
            return
        print(asyncio.run(_run(address, given.clients, given.seconds)))


if __name__ == "__main__":
    main()
