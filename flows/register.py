"""Give every strategy its name in DVC: a tag `strategy/<name>` and an experiment `<name>`.

    python -m flows.register [--strategy NAME ...]

`dvc metrics diff` compares revisions, never two files; so each strategy becomes a revision in which
`results/metrics.json` has the same path and keys. Made with only git's plumbing: nothing is
trained, checked out or changed in the workspace, and the same results give the same commits.

The tag holds just what there is to compare, and travels with `git clone`. The experiment is HEAD
plus this study's params (focus on the strategy), dvc.lock and small results, so that
`dvc exp show` lists it and `dvc exp apply` is safe; it travels with `dvc exp push`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.settings.config import Config
from polybatch.settings.load import load

from .graph import LOCK
from .repository import check, git
from .scores import metrics_of

TAG, WHO = "strategy/", "polybatch"
PARAMS, METRICS = "params.yaml", "results/metrics.json"
_LOSS, _LANGUAGES = "results/loss.tsv", "results/languages.csv"
_SHARED = ("encoder", "batches", "training", "evaluation")  # sections that are one for all

Files = dict[str, bytes]


def register(root: Path, names: Sequence[str] = ()) -> str:
    """Register these strategies, or all of params.yaml; return what was done.

    Raises:
        InputError: no git repository or commit, an unknown strategy, one without results.
    """
    check(root)
    head = _head(root)
    config = load(root / PARAMS)
    if unknown := [name for name in names if name not in config.arms]:
        raise InputError(
            "--strategy",
            ", ".join(unknown),
            f"a strategy of {PARAMS} ({', '.join(config.arms)})",
            "Choose one",
        )
    chosen = list(names) or list(config.arms)
    metrics = {name: _json(metrics_of(root, config, name)) for name in chosen}
    whole = _whole(root)
    for name in chosen:
        tag = _commit(root, None, _tag_files(root, config, name, metrics[name]), f"{name}\n")
        _git(root, "update-ref", f"refs/tags/{TAG}{name}", tag)
        files = whole | {PARAMS: _focused(root, name), METRICS: metrics[name]}
        experiment = _commit(root, head, files, f"{name}\n")
        _drop_earlier(root, name)
        _git(root, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", experiment)
    return f"registered {', '.join(chosen)} as tags {TAG}<name> and as DVC experiments"


def _head(root: Path) -> str:
    head = git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if head is None:
        raise InputError(
            root,
            "a git repository without a commit",
            "one that experiments can refer to",
            "Run `git add --all && git commit -m Begin`",
        )
    return head


def _json(value: Any) -> bytes:
    """Return JSON as the evaluate stage writes it."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


def _tag_files(root: Path, config: Config, name: str, metrics: bytes) -> Files:
    """Return the small tree of a tag: metrics, plots, the params that made them, DVC's config.

    Metrics are means over seeds, plots are of the first one.
    """
    files = {METRICS: metrics, PARAMS: _own_params(root, config, name)}
    files |= {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / ".dvc").glob("plots/**/*.json"))
    }
    files[".dvc/config"] = _config_without_secrets(root)
    results, plots = root / "results", []
    seed = str(config.study.seeds[0])
    loss = results / "training" / name / seed / "plots" / "metrics" / "loss.tsv"
    if loss.is_file():
        files[_LOSS] = loss.read_bytes()
    plots.append({_LOSS: {"title": "Training loss", "x": "step", "y": "loss"}})
    languages = results / "languages" / name / f"{seed}.csv"
    if languages.is_file():
        files[_LANGUAGES] = languages.read_bytes()
        shape = {"x": "doc_lang", "y": "query_lang"}
        if ".dvc/plots/languages.json" in files:
            shape["template"] = "languages"
        plots.append({_LANGUAGES: {"title": "AP of each language pair", **shape}})
    content = {"metrics": [METRICS], "params": [PARAMS], "plots": plots}
    return files | {"dvc.yaml": _yaml(content)}


def _config_without_secrets(root: Path) -> bytes:
    return (root / ".dvc" / "config").read_bytes()  # secrets stand in config.local


def _own_params(root: Path, config: Config, name: str) -> bytes:
    """Return the params that made one strategy, under keys that are the same for every one."""
    params = _read_params(root)
    section = config.arms[name].section
    own = {"strategy": {"name": name, "section": section, **params[section][name]}}
    own["study"] = {key: params["study"][key] for key in ("name", "seeds", "threads")}
    return _yaml(own | {key: params[key] for key in _SHARED})


def _focused(root: Path, name: str) -> bytes:
    yaml = YAML()
    yaml.width = 1000
    params = yaml.load((root / PARAMS).read_text(encoding="utf-8"))
    params["study"]["focus"] = name
    # An address that is in no commit may be a secret, and experiments are pushed.
    committed = git(root, "show", f"HEAD:./{PARAMS}")
    params["notify"]["webhook"] = _webhook_in(committed) if committed else None
    stream = io.StringIO()
    yaml.dump(params, stream)
    return stream.getvalue().encode()


def _webhook_in(params: str) -> str | None:
    try:
        content = YAML(typ="safe").load(params)
        return content["notify"]["webhook"] or None
    except (YAMLError, KeyError, TypeError):
        return None


def _whole(root: Path) -> Files:
    """Return dvc.lock and the results that git holds or would hold, as they are now."""
    held = _git(root, "ls-files", "-z", "-co", "--exclude-standard", LOCK, "results")
    return {
        path: (root / path).read_bytes()
        for path in sorted(filter(None, held.split("\0")))
        if (root / path).is_file() and not path.endswith(".gitignore")
    }


def _read_params(root: Path) -> Any:
    return YAML(typ="safe").load((root / PARAMS).read_text(encoding="utf-8"))


def _yaml(value: Any) -> bytes:
    yaml, stream = YAML(typ="safe"), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(value, stream)
    return stream.getvalue().encode()


def _commit(root: Path, parent: str | None, files: Files, message: str) -> str:
    """Write a commit of `parent`'s tree with these files put in, without touching the index.

    `files`: by their paths in the study, which may be a folder of the repository.
    """
    prefix = _git(root, "rev-parse", "--show-prefix")
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if parent:
            _git(root, "read-tree", parent, environment=index)
        entries = "".join(
            f"100644 {_git(root, 'hash-object', '-w', '--stdin', given=content)}\t{prefix}{path}\n"
            for path, content in files.items()
        )
        _git(
            root, "update-index", "--add", "--index-info", given=entries.encode(), environment=index
        )
        tree = _git(root, "write-tree", environment=index)
    when = _git(root, "show", "--no-patch", "--format=%ct +0000", parent or "HEAD")
    identity = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", WHO), ("EMAIL", ""), ("DATE", when))
    }
    parents = ["-p", parent] if parent else []
    return _git(root, "commit-tree", tree, *parents, given=message.encode(), environment=identity)


def _drop_earlier(root: Path, name: str) -> None:
    """Remove our experiment of this name at other commits: one name, one revision."""
    form = "%(refname) %(authorname)"
    for line in _git(root, "for-each-ref", f"--format={form}", "refs/exps").splitlines():
        ref, _, author = line.partition(" ")
        if author == WHO and ref.rpartition("/")[2] == name:
            _git(root, "update-ref", "-d", ref)


def _git(
    root: Path,
    *arguments: str,
    given: bytes | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    answer = subprocess.run(
        ["git", *arguments],
        cwd=root,
        input=given,
        env=os.environ | (environment or {}),
        capture_output=True,
        check=False,
    )
    if answer.returncode:
        raise InputError(
            f"git {arguments[0]}",
            answer.stderr.decode(errors="replace").strip(),
            "a repository that can be written to",
            "Mend what git says, then run again",
        )
    return answer.stdout.decode().strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Register and say what was done."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.register")
    parser.add_argument("--strategy", action="append", metavar="NAME", default=[])
    use_utf8()
    try:
        print(f"register: {register(Path.cwd(), parser.parse_args(arguments).strategy)}")
    except (InputError, InputErrorList) as error:
        print(f"register: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
