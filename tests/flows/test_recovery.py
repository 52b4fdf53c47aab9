"""Kill the flow, its stages or everything, cut the power, run again: the same results, no hands.

A short version here; `make test-recovery` does it twenty times (POLYBATCH_KILLS) on stages that
sleep, and as often again on the real stages of a small study (POLYBATCH_SLOW).
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.command import INTERRUPTED, MARK
from tests.flows.test_flow_end_to_end import outputs, tiny_study
from tests.helpers.toy_flow import ENVIRONMENT, make_toy, sh

KILLS = int(os.environ.get("POLYBATCH_KILLS", "1"))
STRATEGIES = ("a", "b", "c")
VICTIMS = ("flow", "dvc", "stage", "server", "all", "power")


def start(root: Path, home: Path) -> subprocess.Popen[bytes]:
    """Start a flow with its own temporary server, two stages at a time."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.study", "--workers", "2"],
        cwd=root,
        env=ENVIRONMENT | {"PREFECT_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def family(flow: subprocess.Popen[bytes], root: Path) -> dict[str, list[psutil.Process]]:
    """Return the processes of a flow by what they are."""
    found: dict[str, list[psutil.Process]] = {"flow": [], "dvc": [], "stage": [], "server": []}
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(flow.pid)
        found["flow"].append(leader)
        for child in leader.children():
            if "prefect" in " ".join(child.cmdline()) or "uvicorn" in " ".join(child.cmdline()):
                found["server"].append(child)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(root):
                kind = "dvc" if "dvc" in process.cmdline()[:4] else "stage"
                found[kind].append(process)
    return found


def kill(found: dict[str, list[psutil.Process]], victim: str) -> int:
    """Kill (-9) the processes of one kind, or of all; return how many."""
    kinds = found if victim in ("all", "power") else [victim]
    chosen = [process for kind in kinds for process in found[kind]]
    for process in chosen:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)
    return len(chosen)


def cut(root: Path, chance: random.Random) -> None:
    """Do to DVC's own small files what a power loss may: they are not synced when written."""
    lock, used = root / "dvc.lock", root / ".dvc" / "tmp" / "rwlock"
    for path in (lock, used):
        if path.is_file() and chance.random() < 0.5:
            content = path.read_bytes()
            path.write_bytes(content[: chance.randrange(len(content) + 1)])


def results(root: Path) -> dict[str, bytes]:
    paths = [*root.glob("models/*.txt"), *root.glob("results/metrics/*/*.json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(paths)}


def run_to_the_end(root: Path, home: Path) -> str:
    answer = subprocess.run(
        [sys.executable, "-m", "flows.study", "--workers", "2"],
        cwd=root,
        env=ENVIRONMENT | {"PREFECT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout[-4000:]
    return answer.stdout


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the results of a study that nobody disturbed, by plain `dvc repro`."""
    root = make_toy(tmp_path_factory.mktemp("truth"), STRATEGIES)
    sh(root, "dvc", "repro")
    return results(root)


@pytest.mark.parametrize("number", range(KILLS))
def test_after_a_kill_the_next_run_gives_the_same(
    number: int, tmp_path: Path, truth: dict[str, bytes]
) -> None:
    chance = random.Random(f"recovery/{number}")
    root, home = make_toy(tmp_path, STRATEGIES), tmp_path / "home"
    train = (root / "train.sh").read_text().replace("sleep 0.1", "sleep 1")
    (root / "train.sh").write_text(train)
    victim = VICTIMS[-1 - number % len(VICTIMS)]
    flow = start(root, home)
    until = time.monotonic() + 300
    while not family(flow, root)["dvc"] and time.monotonic() < until:  # stages have begun
        time.sleep(0.1)
    time.sleep(chance.uniform(0, 12))
    found = family(flow, root)
    while not found.get(victim, found["flow"]) and flow.poll() is None:  # between two stages
        found = family(flow, root)
    killed = kill(found, victim)
    if victim == "power":
        cut(root, chance)
    if victim not in ("flow", "all", "power"):
        flow.wait(300)
    told = run_to_the_end(root, home)
    flow.wait(60)
    assert results(root) == truth
    assert not list(root.rglob("*.partial-*"))
    assert "up to date" in sh(root, "dvc", "status")
    words = ("removed DVC's", "put a half-written", "ended an orphan")
    repaired = [word for word in words if word in told]
    print(f"{number}: killed {killed} x {victim}; {', '.join(repaired) or 'nothing to repair'}")


@pytest.mark.skipif("POLYBATCH_SLOW" not in os.environ, reason="minutes; `make test-recovery`")
def test_real_stages_killed_again_and_again_end_with_the_same_bytes(tmp_path: Path) -> None:
    undisturbed = tiny_study(tmp_path / "undisturbed")
    sh(undisturbed, "dvc", "repro")
    kills = rounds = 0
    while kills < KILLS:
        root, rounds = tiny_study(tmp_path / str(rounds)), rounds + 1
        while kills < KILLS and disturbed(root, tmp_path / "home", kills):
            kills += 1
        run_to_the_end(root, tmp_path / "home")
        assert outputs(root) == outputs(undisturbed)
        assert not list(root.rglob("*.partial-*"))
        assert "up to date" in sh(root, "dvc", "status")
    print(f"{kills} kills in {rounds} studies")


def disturbed(root: Path, home: Path, number: int) -> bool:
    """Start a flow and kill what is next in turn, somewhere; say whether it still ran then."""
    chance = random.Random(f"real/{number}")
    victim = VICTIMS[number % len(VICTIMS)]
    flow = start(root, home)
    until = time.monotonic() + 300
    while not family(flow, root)["dvc"] and flow.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(chance.uniform(0, 25))
    found = family(flow, root)
    while not found.get(victim, found["flow"]) and flow.poll() is None:
        found = family(flow, root)
    if flow.poll() is not None:
        return False
    stages = sorted({name for line in commands(flow, root) if (name := stage_of(line))})
    killed = kill(found, victim)
    if victim == "power":
        cut(root, chance)
    if victim not in ("flow", "all", "power"):
        flow.wait(600)
    print(f"{number}: killed {killed} x {victim} in {' and '.join(stages) or 'no stage'}")
    return True


def stage_of(line: str) -> str:
    return line.partition("polybatch stage ")[2]


def start_endless(folder: Path) -> tuple[Path, subprocess.Popen[bytes]]:
    """Start a flow whose stage train never ends; return its workspace and it, once train runs."""
    root = make_toy(folder, ("a",))
    (root / "train.sh").write_text("sleep 600\n")
    flow = start(root, folder / "home")
    until = time.monotonic() + 300
    while not any("600" in line for line in commands(flow, root)) and time.monotonic() < until:
        time.sleep(0.2)
    return root, flow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_process(tmp_path: Path, number: int) -> None:
    """Prefect's temporary server among them."""
    root, flow = start_endless(tmp_path)
    servers = family(flow, root)["server"]
    flow.send_signal(number)
    flow.wait(300)
    assert flow.returncode == INTERRUPTED
    assert commands(flow, root) == []
    assert servers
    assert psutil.wait_procs(servers, 30)[1] == []


@pytest.mark.skipif("POLYBATCH_SLOW" not in os.environ, reason="two minutes")
def test_a_flow_that_is_told_to_end_does_so_though_its_server_is_gone(tmp_path: Path) -> None:
    root, flow = start_endless(tmp_path)
    assert kill(family(flow, root), "server")
    flow.terminate()
    flow.wait(300)  # Prefect tries again and again to tell its server first
    assert flow.returncode != 0
    assert commands(flow, root) == []


def commands(flow: subprocess.Popen[bytes], root: Path) -> list[str]:
    """Return the command lines of the stages that run, and of the DVC processes above them."""
    found = family(flow, root)
    told = []
    for process in [*found["dvc"], *found["stage"]]:
        with contextlib.suppress(psutil.Error):
            told.append(" ".join(process.cmdline()))
    return told
