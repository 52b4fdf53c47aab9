"""`polybatch` and `dvc` for tests, in processes that begin with their libraries imported.

Importing takes most of a small stage's time: 7 of 8 seconds of a training of six steps. So a server
imports once what stages need, and forks a process for every command. The first folder of a test's
PATH holds programs that hand their arguments, folder, environment and streams to the server.
What is about starting or killing starts the real program, as do the long tests.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from functools import cache
from pathlib import Path

import psutil

from polybatch.versions.code_digest import STAGES, stage_names
from tests.helpers.once import once

ROOT = Path(__file__).parents[2]
_IMPORTS = (
    *("dvc.cli", "dvc.commands.repro", "dvc.commands.status", "dvc.repo"),
    *("polybatch.cli", "polybatch.adaptation.adapt", "polybatch.encoders.load"),
    *("polybatch.validation.expectations", "polybatch.retrieval.index", "vl_convert"),
    *("polybatch.training.contrastive", "polybatch.reports.html.page"),
)
PROGRAMS = {"polybatch": "polybatch.cli", "dvc": "dvc.cli"}
"""Name -> the module whose `main` it is."""
_PROGRAM = """#!{python} -IS
import json, os, resource, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
socket.send_fds(server, [b"\\n"], [0, 1, 2])
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
request = [sys.argv, os.getcwd(), dict(os.environ), limits]
server.sendall(json.dumps(request).encode() + b"\\n")
sys.exit(int(server.makefile().read() or 1))
"""


@cache
def program_folder() -> str:
    """Return the folder that holds the programs; all test processes have one server."""
    return str(once("warm", _start))


def _start(folder: Path, owner: int) -> None:
    path = folder / "socket"
    for name in PROGRAMS:
        program = folder / name
        program.write_text(_PROGRAM.format(python=sys.executable, path=str(path)), encoding="utf-8")
        program.chmod(0o755)
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "PYTHONUTF8": "1"}
    own = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), **quiet}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.warm", str(path), str(owner)],
        cwd=ROOT, env=os.environ | own, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    while not path.exists():
        assert server.poll() is None, "the server of tests/helpers/warm.py ended"
        time.sleep(0.05)


def serve(path: str, owner: int) -> None:
    """Fork a process for every command, until the process `owner` has ended."""
    for name in _IMPORTS:
        importlib.import_module(name)
    for stage in stage_names():
        importlib.import_module(f"{STAGES}.{stage}")
        del sys.modules[f"{STAGES}.{stage}"]  # it is run as a program, under another name
    gc.freeze()  # commands look for garbage among their own objects alone
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen()
    Path(f"{path}.new").rename(path)
    signal.signal(signal.SIGCHLD, _reap)
    while psutil.pid_exists(owner):
        if not select.select([listener], [], [], 1)[0]:
            continue
        connection, _ = listener.accept()
        if os.fork() == 0:
            _command(connection)
        connection.close()
    shutil.rmtree(Path(path).parent, ignore_errors=True)


def _reap(number: int, frame: object) -> None:
    """Wait for children that ended, so that their processor time counts as the tests'."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _command(connection: socket.socket) -> None:
    """Be the program that was asked for; never return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    arguments, folder, environment, limits = json.loads(connection.makefile().readline())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    sys.argv = arguments
    main = importlib.import_module(PROGRAMS[Path(arguments[0]).name]).main
    try:
        code: object = main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    number = code if isinstance(code, int) else int(code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(str(number).encode())
    os._exit(number)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
