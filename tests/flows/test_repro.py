"""`make repro`: stages side by side to the bytes of `dvc repro`, and what it says of the time."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from flows.command import INTERRUPTED, SKIPPED
from flows.forecast import BEGINNING, Forecast, forecast_lines, seconds_before
from flows.graph import Box, Graph, sort_lock
from flows.workspace import lock_workspace
from tests.helpers.toy_flow import ENVIRONMENT, make_toy, sh

REPRO = (sys.executable, "-m", "flows.repro")


def diamond() -> Graph:
    boxes = [("a", ()), ("b@x", ("a",)), ("b@y", ("a",)), ("b@z", ("a",)), ("c", ("b@x", "b@y"))]
    return {address: Box(address, upstream, False) for address, upstream in boxes}


def test_side_by_side_gives_the_files_and_the_lock_of_dvc_repro(tmp_path: Path) -> None:
    one, two = (make_toy(tmp_path / name) for name in ("one", "two"))
    sh(one, "dvc", "repro")
    told = sh(two, *REPRO, "--workers", "2")
    assert told.count("Running stage '") == 6
    assert re.search(r"polybatch: 1 of 6 stages done, running train@a, train@b, 3 left\n", told)
    assert sorted(path.name for path in one.glob("models/*")) == ["a.txt", "b.txt"]
    for path in ("models/a.txt", "models/b.txt", "results/all.txt", "results/metrics.json"):
        assert (one / path).read_bytes() == (two / path).read_bytes()
    sort_lock(one, {name: Box(name, (), False) for name in _locked(two)})
    assert (one / "dvc.lock").read_bytes() == (two / "dvc.lock").read_bytes()
    told = sh(two, *REPRO)
    assert told.endswith("none of 6 stages has to run\nData and pipelines are up to date.\n")


def test_a_failed_stage_ends_the_run_and_one_worker_is_dvc_repro(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    train = (toy / "train.sh").read_text()
    (toy / "train.sh").write_text('[ $1 = b ] && echo "loss is not finite" && exit 3\n' + train)
    told = sh(toy, *REPRO, "--workers", "2", code=1)
    assert "polybatch: stage train of b failed: loss is not finite; " in told
    assert "Running stage 'compare'" not in told
    (toy / "train.sh").write_text(train)
    told = sh(toy, *REPRO, "--workers", "1")
    assert told.count("Running stage 'train@b'") == 1  # DVC's messages once
    assert re.search(r"polybatch: \d of \d stages done, running train@b, \d left", told)
    assert (toy / "results/all.txt").is_file()


def test_a_stage_that_the_machine_killed_says_what_to_lower(tmp_path: Path) -> None:
    root = make_toy(tmp_path, ("a", "b"))
    killed = '[ $1 = a ] && echo "train a: step 1/2, loss 1" && kill -9 $$\n'
    (root / "train.sh").write_text(killed + (root / "train.sh").read_text())
    shown = sh(root, sys.executable, "-m", "flows.repro", "--workers", "2", code=1)
    assert "stage train of a failed: killed, as a machine does that has no memory left." in shown


@pytest.mark.parametrize(
    ("workers", "number"), [("1", signal.SIGTERM), ("2", signal.SIGTERM), ("1", signal.SIGINT)]
)
def test_a_signal_to_a_run_ends_its_stages_too(tmp_path: Path, workers: str, number: int) -> None:
    """SIGTERM also where the shell lets Ctrl-C be ignored (`nohup … &`); the next run goes on."""
    toy = make_toy(tmp_path)
    train = (toy / "train.sh").read_text()
    (toy / "train.sh").write_text("echo $$ > ../pid; exec sleep 600\n")
    command = [*REPRO, "--workers", workers]
    ignored = "trap '' INT; " if number == signal.SIGTERM else ""
    run = subprocess.Popen(
        ["sh", "-c", f'{ignored}exec "$@"', "sh", *command],
        cwd=toy, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not (toy.parent / "pid").exists() and time.monotonic() < until:
        time.sleep(0.1)
    run.send_signal(number)
    told, _ = run.communicate(timeout=60)
    assert run.returncode == INTERRUPTED
    assert "Traceback" not in told
    with contextlib.suppress(psutil.NoSuchProcess):
        stage = psutil.Process(int((toy.parent / "pid").read_text()))
        assert stage.status() == psutil.STATUS_ZOMBIE
    (toy / "train.sh").write_text(train)
    sh(toy, *command)
    assert (toy / "results/all.txt").is_file()


def test_one_worker_ends_an_overdue_stage_and_counts_what_the_cache_had(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    sh(toy, "dvc", "repro")
    for path in ("dvc.lock", "models/a.txt", "results/metrics.json"):
        (toy / path).unlink()
    (toy / "evaluate.sh").write_text("sleep 100\n")
    params = toy / "params.yaml"
    params.write_text(params.read_text().replace("stage_hours: 24 ", "stage_hours: 0.001 "))
    told = sh(toy, *REPRO, "--workers", "1", code=1)
    assert told.count("is cached") == 3
    assert "3 of 6 stages done, running evaluate@a, 2 left" in told
    assert told.endswith("stage evaluate of a was ended after 0.001 hours\n")


@pytest.mark.parametrize(
    ("run", "lines"),
    [
        ("polybatch run --workers 2", 1),  # met by the thread that waits
        ("polybatch run --workers 2", 2),  # or by a stage's
        ("polybatch run --workers 2 2>&1", 1),
        ("polybatch run --workers 1 2>&1", 2),
        ("python -m flows.repro --workers 1", 1),
        ("python -m flows.repro --workers 2", 1),
    ],
)
def test_a_run_whose_output_nobody_reads_fails(tmp_path: Path, run: str, lines: int) -> None:
    toy = make_toy(tmp_path)
    told = sh(toy, "bash", "-c", f"{run} | head -n {lines}; echo code ${{PIPESTATUS[0]}}")
    assert told.endswith("code 141\n")
    assert "Traceback" not in told
    assert ("nobody reads" in told) == ("2>&1" not in run)


def test_what_dvc_could_not_store_is_kept_by_the_command_it_names(tmp_path: Path) -> None:
    """As on a full disk; here DVC may write no file of over 20 MB, and the stage may."""
    toy = make_toy(tmp_path, ("a",))
    more = "ulimit -S -f unlimited; head -c 29999999 /dev/zero >> models/.$1.partial\nmv models/.$1"
    script = (toy / "train.sh").read_text().replace("mv models/.$1", more)
    (toy / "train.sh").write_text(script)
    told = sh(toy, "bash", "-c", f"ulimit -S -f 20000; {' '.join(REPRO)} --workers 2", code=1)
    line = (
        r"stage train of a failed: DVC could not store .*File too large.* `(dvc commit -f train@a)`"
    )
    found = re.search(line, told)
    assert found, told
    sh(toy, *found[1].split())
    assert "Running stage 'train@a'" not in sh(toy, *REPRO, "--workers", "2")


def test_one_worker_waits_for_another_dvc_command_to_end(tmp_path: Path) -> None:
    """What a stage made would be lost: DVC itself waits three seconds."""
    toy = make_toy(tmp_path)
    hold = "from dvc.repo import Repo\nwith Repo() as repo, repo.lock: open('held', 'w'); sleep(5)"
    hold = f'{sys.executable} -c "from time import sleep\n{hold}" &\n'
    wait = "until [ -e held ]; do sleep 0.1; done\n"
    (toy / "fetch.sh").write_text(hold + wait + (toy / "fetch.sh").read_text())
    assert sh(toy, *REPRO, "--workers", "1").count("Running stage '") == 6


def test_a_run_that_another_keeps_from_beginning_says_so_by_its_code(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    path = toy / "params.yaml"
    path.write_text(path.read_text().replace("overlap: wait", "overlap: skip"))
    with lock_workspace(toy, "wait"):
        assert "skipped: another flow" in sh(toy, *REPRO, code=SKIPPED)


def _locked(root: Path) -> list[str]:
    return re.findall(r"^  (\S+):$", (root / "dvc.lock").read_text(), re.MULTILINE)


def test_the_lock_is_put_in_order_and_nothing_else_changes(tmp_path: Path) -> None:
    entry = "  {}:\n    cmd: x\n    params:\n      p.yaml:\n        k:\n        - 1\n"
    begin = "schema: '2.0'\nstages:\n"
    text = begin + "".join(entry.format(name) for name in ("c", "gone", "b@y", "a"))
    (tmp_path / "dvc.lock").write_text(text)
    sort_lock(tmp_path, diamond())
    expected = begin + "".join(entry.format(name) for name in ("a", "b@y", "c", "gone"))
    assert (tmp_path / "dvc.lock").read_text() == expected
    (tmp_path / "dvc.lock").write_text("half: [")
    sort_lock(tmp_path, diamond())
    assert (tmp_path / "dvc.lock").read_text() == "half: ["


@pytest.mark.parametrize(("workers", "rounds"), [(1, 5), (2, 3), (3, 3)])
def test_time_to_go_is_that_of_the_schedule(workers: int, rounds: int) -> None:
    """Stages of 7 s: a, then three of b, then c, beside the third b if there are two workers."""
    seconds = {"a": 7.0, "b@x": 7.0, "c": 7.0}  # of b@y and b@z the mean of b's
    forecast = Forecast(diamond(), diamond(), seconds, workers)
    assert forecast.left() == pytest.approx(rounds * (7 + BEGINNING))


def test_what_a_run_takes_is_said_by_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, free = diamond(), [7_000_000_000]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    (tmp_path / "results/timing").mkdir(parents=True)
    for name in ("a", "b-x", "c"):
        (tmp_path / f"results/timing/{name}.json").write_text(json.dumps({"seconds": 57.0}))
    known = seconds_before(tmp_path, graph)
    assert known == {"a": 57.0, "b@x": 57.0, "c": 57.0}
    forecast = Forecast(graph, ["b@x", "b@y", "b@z", "c"], known, 1)
    before = {"b@x": {"outs": [{"size": 2_000_000_000}]}}
    (line,) = forecast_lines(tmp_path, forecast, before)
    assert line.startswith("4 of 5 stages to run: about 4 min; ")
    assert line.endswith("; by dvc.lock their outputs had 6.0 GB (7.0 GB free)")
    free[0] = 5_000_000_000
    assert "the disk may become full" in forecast_lines(tmp_path, forecast, before)[1]
    forecast.begin("b@x")
    forecast.end("b@x")
    forecast.begin("b@y")
    assert forecast.line() == "1 of 4 stages done, running b@y, 2 left, about 3 min to go"


def test_what_this_run_took_is_known_of_the_rest(tmp_path: Path) -> None:
    """One row has nothing to do, one is trained twice, one never was; nothing is indexed yet."""
    trained = [f"train@{row}" for row in ("zero-shot-0", "mono-0", "mono-1", "cross-0")]
    graph = {address: Box(address, (), network=False) for address in (*trained, "index@mono-0")}
    (tmp_path / "results/timing").mkdir(parents=True)
    forecast = Forecast(graph, graph, {"train@zero-shot-0": 0.1}, 1, tmp_path)
    assert forecast.told() == f"at least {5 * BEGINNING:.0f} s"
    for address, seconds in (("train@zero-shot-0", 0.1), ("train@mono-0", 300)):
        forecast.begin(address)
        (tmp_path / f"results/timing/{address.replace('@', '-')}.json").write_text(
            json.dumps({"seconds": seconds})
        )
        forecast.end(address)
    assert forecast.told() == "at least 10 min"  # mono-1 and cross-0 as mono-0
    forecast.end("index@mono-0")
    assert forecast.told() == "about 10 min"
