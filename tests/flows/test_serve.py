"""`python -m flows.serve` really serves: a server on loopback, and a run that fires by itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from ruamel.yaml import YAML

from flows.server import healthy
from tests.helpers.toy_flow import ENVIRONMENT, ROOT, make_toy


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_scheduled_run_fires(tmp_path: Path) -> None:
    root, port = make_toy(tmp_path, ("a",)), free_port()
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("port: 4200", f"port: {port}"))
    url = f"http://127.0.0.1:{port}/api"
    environment = {key: value for key, value in ENVIRONMENT.items() if key != "PREFECT_API_URL"}
    with (tmp_path / "log").open("w") as log:
        serving = subprocess.Popen(
            [sys.executable, "-m", "flows.serve", "--every", "5"],
            cwd=root,
            env=environment | {"PREFECT_HOME": str(tmp_path / "home")},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 400
        good = root / "results" / "last-good.json"
        while not good.is_file() and time.monotonic() < until and serving.poll() is None:
            time.sleep(0.5)
        told = (tmp_path / "log").read_text()
        assert good.is_file(), told[-3000:]
        request = urllib.request.Request(
            f"{url}/automations/filter", b"{}", {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            names = [found["name"] for found in json.load(answer)]
        assert names == ["polybatch: a strategy fell"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(serving.pid, signal.SIGINT)
        try:
            serving.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(serving.pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while healthy(url) and time.monotonic() < until:
        time.sleep(0.5)
    assert not healthy(url)  # the server ended with what served


def test_the_deployments_name_what_exists() -> None:
    content = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    nightly, now = content["deployments"]
    for deployment in (nightly, now):
        module, _, name = deployment["entrypoint"].partition(":")
        file = ROOT / "src" / module.replace(".", "/")
        assert f"def {name}(" in file.with_suffix(".py").read_text(encoding="utf-8")
    (schedule,) = nightly["schedules"]
    assert schedule == {key: params["schedule"][key] for key in ("cron", "timezone")}
