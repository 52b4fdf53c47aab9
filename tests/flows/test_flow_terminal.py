"""A flow as a person sees it: on a terminal, in a folder with letters of many languages."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flows.serve import main as serve
from tests.helpers.toy_flow import ENVIRONMENT, make_toy, sh

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def on_a_terminal(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Return exit code and all that the terminal got."""
    mine, theirs = pty.openpty()
    child = subprocess.Popen(command, cwd=folder, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while piece := os.read(mine, 4096):
            shown += piece
    os.close(mine)
    return child.wait(), COLOURS.sub("", shown.decode())


def test_a_flow_that_fails_prints_whole_lines_once_and_no_stack(tmp_path: Path) -> None:
    root = make_toy(tmp_path / "Prüfung-ẹ̀kọ́-调", ("a", "b"))
    fails = '[ $1 = a ] && echo "größe ≠ 1: loss is not finite" && exit 3\n'
    (root / "train.sh").write_text(fails + (root / "train.sh").read_text())
    home = {"PREFECT_HOME": str(tmp_path / "home")}
    code, shown = on_a_terminal(
        [sys.executable, "-m", "flows.study"], root, ENVIRONMENT | ASCII | home
    )
    assert code == 1, shown
    assert "Traceback" not in shown, shown
    lines = shown.split("\r\n")
    assert not [line for line in lines if "\r" in line], shown
    bare = [line.rpartition(" | ")[2] for line in lines if " | " in line]
    assert len(bare) == len(set(bare)), sorted(line for line in bare if bare.count(line) > 1)
    cause = "stage train of a failed: größe ≠ 1: loss is not finite"
    assert [line for line in lines if line.startswith(f"study: {cause}. Not run: evaluate@a, com")]
    assert (root / "results/metrics/b/0.json").is_file()
    assert "not up to date, its old result is left out: train@a" in (
        root / "results/alerts.md"
    ).read_text(encoding="utf-8")


def test_a_program_begins_again_in_utf8(tmp_path: Path) -> None:
    program = tmp_path / "prüfe.py"
    program.write_text(
        "import sys; from polybatch.core.errors import use_utf8; use_utf8()\n"
        "print(sys.argv[1], sys.flags.utf8_mode, '调', '\\ud800')\n",
        encoding="utf-8",
    )
    for locale in (ASCII, {"LC_ALL": "POSIX"}, {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}):
        done = subprocess.run(
            [sys.executable, str(program), "größe"],
            env=ENVIRONMENT | locale, capture_output=True, check=True,
        )  # fmt: skip
        shown = "gr\\xf6\\xdfe 1 \\u8c03" if "PYTHONIOENCODING" in locale else "größe 1 调"
        assert done.stdout.decode() == f"{shown} \\ud800\n"


def test_serving_on_a_port_in_use_or_elsewhere_is_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    assert serve([]) == 2
    assert "no dvc.yaml, expected the study's folder. Change into it" in capsys.readouterr().err
    root = make_toy(tmp_path)
    monkeypatch.chdir(root)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, params = taken.getsockname()[1], root / "params.yaml"
        params.write_text(params.read_text().replace("port: 4200", f"port: {port}"))
        assert serve([]) == 2
    assert f"port {port}, which cannot be opened" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "found"),
    [
        (["rm", "-rf", ".git"], "no git repository"),
        (["rm", "-rf", ".dvc"], "no .dvc"),
        (["git", "checkout", "-q", "--detach"], ""),
        (["git", "update-ref", "-d", "HEAD"], ""),
    ],
)
def test_what_a_tree_lacks_is_said_before_dvc_is_asked(
    tmp_path: Path, before: list[str], found: str
) -> None:
    root = make_toy(tmp_path)
    sh(root, *before)
    shown = sh(root, sys.executable, "-m", "flows.check", code=1 if found else 0)
    assert found in shown
    assert "Traceback" not in shown, shown
