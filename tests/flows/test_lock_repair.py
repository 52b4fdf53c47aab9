"""A dvc.lock cut anywhere is one that DVC reads, or put aside; the truth is DVC's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.repo import Repo

from flows import workspace
from tests.helpers.toy_flow import make_toy

LOCK = """schema: '2.0'
stages:
  download:
    cmd: sh fetch.sh
    deps:
    - path: fetch.sh
      hash: md5
      md5: 73f678d79feb3d185605a14e902f37cd
      size: 21
    params:
      params.yaml:
        study.name: Übung
    outs:
    - path: raw.txt
      hash: md5
      md5: 01fad348671116ae3d02825761ed711a
      size: 6
  train@a:
    cmd:
    - sh train.sh a
    deps:
    - path: raw.txt
      hash: md5
      md5: 01fad348671116ae3d02825761ed711a
      size: 6
""".encode()


def read_by_dvc(repo: Repo, path: Path) -> bool:
    try:
        Lockfile(repo, str(path)).load()
    except (DvcException, UnicodeDecodeError):
        return False
    return True


def test_a_lock_cut_at_any_byte_is_whole_for_dvc_or_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_toy(tmp_path)
    monkeypatch.setattr(workspace.psutil, "process_iter", list)  # no search for orphans
    path = root / "dvc.lock"
    (root / "raw.txt").write_text("facts")
    kept = []
    with Repo(str(root)) as repo:
        for cut in range(len(LOCK) + 1):
            path.write_bytes(LOCK[:cut])
            whole = read_by_dvc(repo, path)
            if whole and LOCK[:cut].endswith((b" hash: m", b" hash: md")):
                with pytest.raises(NotImplementedError):
                    Repo(str(root)).status()
                whole = False
            assert bool(workspace.repair(root)) is not whole, LOCK[:cut][-40:]
            assert path.is_file() is whole
            kept += [cut] * whole
            assert read_by_dvc(repo, path)
    assert kept[-1] == len(LOCK)
    assert 100 < len(kept) < len(LOCK)
