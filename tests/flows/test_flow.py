"""The study as a flow: real Prefect and DVC on toy stages that write down when they ran."""

from __future__ import annotations

import fcntl
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from flows import command, server
from flows.graph import Box, choose, in_order, read_graph, unchanged
from flows.plan import too_many
from flows.repository import check
from flows.study import main, study
from flows.workspace import lock_workspace, notes, repair
from polybatch.core.errors import InputError, InputErrorList
from polybatch.settings.load import load
from tests.helpers.toy_flow import make_toy, sh
from tests.helpers.warm import program_folder


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness  # it imports the whole server

    with prefect_test_harness(server_startup_timeout=300):
        yield


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_toy(tmp_path)
    monkeypatch.chdir(root)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(command, "DVC", (f"{program_folder()}/dvc",))
    return root


def trained(root: Path) -> list[str]:
    times = root.parent / "times"
    lines = times.read_text().splitlines() if times.is_file() else []
    times.unlink(missing_ok=True)
    return [line.split()[1] for line in lines if line.startswith("begin")]


def results(root: Path) -> dict[str, bytes]:
    paths = [*root.glob("models/*.txt"), *root.glob("results/metrics/*/*.json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(paths)}


def run(**parameters: Any) -> Any:
    return study(**parameters, return_state=True)


def test_what_changed_runs_and_what_did_not_is_cached(toy: Path) -> None:
    state = run()
    assert state.message == "6 stages ran, 0 cached"
    assert sorted(trained(toy)) == ["a", "b"]
    assert (toy / "results" / "all.txt").is_file()
    assert "None: there was no earlier" in (toy / "results" / "alerts.md").read_text()
    begun = time.process_time()  # the clock on the wall measures what else the machine does
    assert run().message == "0 stages ran, 6 cached"
    assert time.process_time() - begun < 20
    params = (toy / "params.yaml").read_text()
    (toy / "params.yaml").write_text(
        params.replace(
            "  b:\n    start: base\n    batches: mono", "  b:\n    start: base\n    batches: x-x"
        )
    )
    assert run().message == "1 stages ran, 5 cached"  # train@b alone: its output stays the same
    assert trained(toy) == ["b"]
    good = toy / "results" / "last-good.json"
    good.unlink()
    assert run(strategies=["a"]).message == "0 stages ran, 3 cached"
    assert not good.exists()  # a run of a part makes nothing the last good result


def test_a_failure_stops_only_what_depends_on_it(toy: Path) -> None:
    train = (toy / "train.sh").read_text()
    (toy / "train.sh").write_text('[ $1 = a ] && echo "loss is not finite" && exit 3\n' + train)
    state = run()
    assert state.is_failed()
    assert "stage train of a failed: loss is not finite" in state.message
    assert "Not run: evaluate@a, compare" in state.message
    assert (toy / "results" / "metrics" / "b" / "0.json").is_file()
    alerts = (toy / "results" / "alerts.md").read_text()
    assert "its old result is left out: train@a" in alerts
    assert not (toy / "results" / "last-good.json").exists()
    (toy / "train.sh").write_text(train)
    assert run().is_completed()


def test_two_workers_run_strategies_at_the_same_time_to_the_same_bytes(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet = (
        "touch ../here-$1; n=0\nwhile [ $(ls ../here-* | wc -l) -lt 2 ]; do sleep 0.2; n=$((n+1))\n"
    )
    meet += '[ $n -gt 600 ] && echo "the other one never came" && exit 1; done\n'
    (toy / "train.sh").write_text(meet + (toy / "train.sh").read_text())
    assert run(workers=2).is_completed()
    other = make_toy(tmp_path / "other")
    monkeypatch.chdir(other)
    assert run(workers=1).is_completed()
    assert results(other) == results(toy)


def test_only_the_network_is_tried_again(toy: Path) -> None:
    (toy / "fetch.sh").write_text(
        "[ -f ../seen ] || { touch ../seen; echo gone; exit 1; }\necho f > raw.txt\n"
    )
    assert run(strategies=["a"]).message == "3 stages ran, 0 cached"
    assert trained(toy) == ["a"]


def test_a_second_flow_waits_or_skips(toy: Path) -> None:
    path = toy / "params.yaml"
    path.write_text(path.read_text().replace("overlap: wait", "overlap: skip"))
    with lock_workspace(toy, "wait"):
        state = run()
        assert state.name == "Skipped"
        assert "another flow works in this workspace (process" in state.message
    held = (toy / ".dvc" / "tmp" / "study.lock").open("a")
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(2, held.close).start()
    begun = time.monotonic()
    with lock_workspace(toy, "wait"):
        assert time.monotonic() - begun > 1.5


def test_an_overdue_stage_is_ended(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DVC", (sys.executable, "-m", "dvc"))
    path = toy / "params.yaml"
    path.write_text(path.read_text().replace("stage_hours: 24 ", "stage_hours: 0.001 "))
    (toy / "fetch.sh").write_text("sleep 100; echo f > raw.txt\n")
    path.write_text(path.read_text().replace("network_retries: 2", "network_retries: 0"))
    state = run()
    assert "stage download was ended after 0.001 hours" in state.message


def test_what_fell_is_told_by_file_event_and_webhook(toy: Path) -> None:
    posted: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        path = toy / "params.yaml"
        url = f"http://127.0.0.1:{hook.server_port}/"
        path.write_text(path.read_text().replace("webhook: null", f"webhook: {url}"))
        (toy / "evaluate.sh").write_text(
            "mkdir -p results/metrics/$1\n"
            'echo \'{"toy": {"mono": {"AP": 0.5}}}\' > results/metrics/$1/0.json\n'
        )
        assert run().is_completed()
        good = (toy / "results" / "last-good.json").read_bytes()
        (toy / "evaluate.sh").write_text((toy / "evaluate.sh").read_text().replace("0.5", "0.4"))
        state = run()
        hook.shutdown()
    assert "2 alerts" in state.message
    assert "a: AP on toy mono fell from 0.5000 to 0.4000" in (toy / "results/alerts.md").read_text()
    assert [drop["strategy"] for drop in posted[0]["drops"]] == ["a", "b"]
    assert (toy / "results" / "last-good.json").read_bytes() == good
    assert "took the alert" in (toy / "results/alerts.md").read_text()


def test_what_a_power_loss_leaves_is_repaired(toy: Path) -> None:
    assert run().is_completed()
    before = results(toy)
    trained(toy)
    lock = toy / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text[: text.rindex("md5: ") + len("md5")])
    (toy / ".dvc" / "tmp" / "rwlock").write_text('{"write": {"/x"')
    (toy / "models" / "a.txt").unlink()
    told = repair(toy)
    assert len(told) == 2, told
    assert run().is_completed()
    assert results(toy) == before
    assert trained(toy) == []  # DVC's run cache had everything
    stale = {"write": {str(toy / "raw.txt"): {"pid": 1, "cmd": "dvc repro"}}, "read": {}}
    (toy / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(stale))
    assert repair(toy) == [
        "removed DVC's list of paths in use: its processes are gone (.dvc/tmp/rwlock)"
    ]


@pytest.mark.parametrize(
    ("arguments", "found", "cure"),
    [
        (["--strategy", "hybird"], "hybird", "choose one of these"),
        (["--workers", "0"], "0", "Change the number"),
    ],
)
def test_bad_arguments_are_told_with_the_cure(
    toy: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], found: str, cure: str
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert found in told
    assert cure in told


def test_bad_workspaces_are_told_with_the_cure(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no dvc.yaml.*Change into it"):
        check(tmp_path)
    assert notes(toy) == []
    sh(toy, "git", "checkout", "-q", "--detach")
    (toy / "train.sh").write_text("true\n")
    told = " ".join(notes(toy))
    assert "git switch -c" in told
    assert "uncommitted changes in train.sh" in told
    (toy / ".git").rename(tmp_path / "gone")
    with pytest.raises(InputError, match=r"no git repository.*git init"):
        check(toy)


def test_a_port_in_use_a_server_that_is_down_and_a_wrong_cron_line(toy: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=r"cannot be opened.*change schedule.port"):
            server.refuse_busy_port(taken.getsockname()[1])
    with pytest.raises(InputError, match=r"flows\.serve`"):
        server.refuse_dead_server("http://127.0.0.1:9/api")
    server.refuse_dead_server(None)
    path = toy / "params.yaml"
    path.write_text(path.read_text().replace('"0 3 * * *"', '"0 33 * * *"'))
    with pytest.raises(InputErrorList, match=r"'0 33 \* \* \*'.*Write '0 3 \* \* \*'"):
        load(path)


def test_the_graph_comes_from_dvc(toy: Path) -> None:
    with Repo(str(toy)) as repo:
        graph = read_graph(repo)
    assert next(iter(graph)) == "download"
    assert list(graph)[-1] == "compare"
    assert graph["evaluate@a"].upstream == ("train@a",)
    assert [box.address for box in graph.values() if box.network] == ["download"]
    assert list(choose(graph, ["b"])) == ["download", "train@b", "evaluate@b"]
    assert unchanged(graph, {"train@a": []}) == {"download", "train@b", "evaluate@b"}
    assert list(in_order({"y": Box("y", ("x",), False), "x": Box("x", (), False)})) == ["x", "y"]
    assert too_many(load(toy / "params.yaml"), 1000)
