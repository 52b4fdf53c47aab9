"""`polybatch` for tests, in processes that begin with their libraries imported.

Importing takes most of a small stage's time: 7 of 8 seconds of a training of six steps. So a server
imports once what stages need, and forks a process for every command. The first folder of a test's
PATH holds a `polybatch` that hands its arguments, folder, environment and streams to the server.
What is about starting, killing or terminals starts the real program, as do the long tests.
"""

from __future__ import annotations

import atexit
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
import tempfile
import time
import traceback
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_IMPORTS = (
    *("polybatch.cli", "polybatch.adaptation.adapt", "polybatch.encoders.load"),
    *("polybatch.validation.expectations", "polybatch.retrieval.index", "vl_convert"),
    *("polybatch.training.contrastive", "polybatch.reports.html.page"),
)
_PROGRAM = """#!{python} -IS
import json, os, resource, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
socket.send_fds(server, [b"\\n"], [0, 1, 2])
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
request = [sys.argv[1:], os.getcwd(), dict(os.environ), limits]
server.sendall(json.dumps(request).encode() + b"\\n")
sys.exit(int(server.makefile().read() or 1))
"""


@cache
def program_folder() -> str:
    """Start the server of this test process, and return the folder that holds its `polybatch`."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    program, path = folder / "polybatch", str(folder / "socket")
    program.write_text(_PROGRAM.format(python=sys.executable, path=path), encoding="utf-8")
    program.chmod(0o755)
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "PYTHONUTF8": "1"}
    own = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), **quiet}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.warm", path],
        cwd=ROOT, env=os.environ | own, stdin=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdin is not None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stdin.close)
    while not Path(path).exists():
        assert server.poll() is None, "the server of tests/helpers/warm.py ended"
        time.sleep(0.05)
    return str(folder)


def serve(path: str) -> None:
    """Fork a process for every command, until the test process has ended (end of stdin)."""
    for name in _IMPORTS:
        importlib.import_module(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen()
    Path(f"{path}.new").rename(path)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system itself forgets children that ended
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            _command(connection)
        connection.close()


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
    from polybatch.cli import main

    sys.argv = ["polybatch", *arguments]
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
    serve(sys.argv[1])
