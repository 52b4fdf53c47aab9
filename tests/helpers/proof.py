"""The proof behind versions.yaml: a tiny study whose outputs must be those on record.

    python -m tests.helpers.proof          # record the code's digest, or say which number to bump
    python -m tests.helpers.proof --bump   # and bump it

Stages whose arithmetic does not depend on the processor are held to their bytes, the others
(VALUES) to values within a tolerance; `proof_fixtures` has what the study does not run. The former
get inputs that do not depend on it either: exact vectors and losses take the place of trained ones.
What it covers: docs/decisions/versions.md.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import re
import runpy
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.proof_values import STRATEGIES, Outputs, differences, numbers, outputs

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
RECORD, STUDY = GOLDEN / "outputs.json", GOLDEN / "study.yaml"
TRIALS = [f"--strategy {name} --seed 0" for name in STRATEGIES]
ARMS = (*STRATEGIES, "merge", "hybrid-centred", "bm25", "bm25-hybrid", "ours")
STAGES: dict[str, list[str]] = {
    "settings": [""],
    "download": ["--source cldr"],
    "validate": [""],
    "base": [""],
    "dapt": ["--seed 0"],
    "start": [trial.removesuffix(" --seed 0") for trial in TRIALS],
    "batches": TRIALS,
    "train": TRIALS,
    "merge": ["--strategy merge"],
    "index": [*TRIALS, "--strategy merge --seed 0"],
    "centre": ["--strategy hybrid-centred"],
    "lexical": ["--strategy bm25"],
    "external": ["--strategy ours"],
    "fuse": ["--strategy bm25-hybrid"],
    "evaluate": [f"--strategy {name} --seed 0" for name in ARMS],
    "approximate": [""],
    "curves": [""],
    "compare": [""],
    "report": [""],
}
LIBRARIES = {"pytorch": "2.13.0+cpu", "sentence_transformers": "6.2.0", "transformers": "5.23.0"}


def make_study(folder: Path) -> None:
    """Write the study's params, versions and folders; nothing has run."""
    for path in (STUDY, ROOT / "versions.yaml"):
        name = "params.yaml" if path == STUDY else path.name
        shutil.copy(path, folder / name)
    (folder / "inputs" / "none").mkdir(parents=True)


def run(folder: Path, stage: str, keys: list[str] | None = None) -> Outputs:
    """Run a stage in this process, with these keys or all, and return its outputs."""
    for key in STAGES[stage] if keys is None else keys:
        with _as_program(folder, stage, key):
            runpy.run_module(f"polybatch_stages.{stage}", run_name="__main__", alter_sys=True)
    _same_libraries(folder)
    found = outputs(folder, stage)
    if stage in ("dapt", "train"):
        _exact_losses(folder)
    if stage in ("index", "centre"):
        _exact_vectors(folder)
    if stage == "validate":
        _external_run(folder)
    return found


@contextlib.contextmanager
def _as_program(folder: Path, stage: str, key: str) -> Iterator[None]:
    """Work as `polybatch stage` does there, on any machine, with any version of the package."""
    kept = sys.argv, Path.cwd(), os.environ.get("POLYBATCH_MIRROR")
    sys.argv = [stage, *key.split()]
    os.chdir(folder)
    os.environ.pop("POLYBATCH_MIRROR", None)
    version = _set_version("0.1.0")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        _set_version(version)
        sys.argv, _, mirror = kept
        os.chdir(kept[1])
        if mirror is not None:
            os.environ["POLYBATCH_MIRROR"] = mirror
        shutil.rmtree(folder / "results" / "timing", ignore_errors=True)


def _set_version(version: str) -> str:
    """Let the package and all who have its version by name print another; return the old one."""
    old = str(sys.modules["polybatch"].__version__)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "polybatch" and hasattr(module, "__version__"):
            module.__version__ = version
    return old


def _same_libraries(folder: Path) -> None:
    """Let checkpoints name one version of each library: a newer one is no other result."""
    for file in folder.glob("models/**/config_sentence_transformers.json"):
        text = file.read_text(encoding="utf-8")
        for name, version in LIBRARIES.items():
            text = re.sub(f'"{name}": "[^"]+"', f'"{name}": "{version}"', text)
        file.write_text(text, encoding="utf-8")


def _exact_losses(folder: Path) -> None:
    """Put a made-up curve in place of each loss curve: it came from the processor's arithmetic."""
    for file in folder.glob("results/*/**/loss.tsv"):
        lines = file.read_text(encoding="utf-8").splitlines()
        place = lines[0].split("\t").index("loss")
        rows = [line.split("\t") for line in lines[1:]]
        for number, row in enumerate(rows):
            row[place] = str(4 - number / 8)
        text = "\n".join([lines[0], *map("\t".join, rows)])
        file.write_text(f"{text}\n", encoding="utf-8")


def _exact_vectors(folder: Path) -> None:
    """Put vectors of +-1/16 in place of encoded ones: every product of two is exact, in any order.

    Texts of an item are alike, and less so the more letters the trial's name has.
    """
    from polybatch.core.dataset import read_dataset
    from polybatch.retrieval.index import EncodedQueries, build_index, save_index, save_queries

    dataset = read_dataset(folder / "data" / "valid" / "cldr-test")
    item = dict(dataset.qrels.select("doc_id", "item_id").rows())
    for path in folder.glob("data/index/*/0/cldr-test/documents.faiss"):
        place = path.parent
        noise = min(len(place.parts[-3]), 10)
        ids = dataset.corpus["doc_id"].to_list()
        vectors = [_signs(item.get(one, one), one, noise) for one in ids]
        save_index(build_index(ids, np.array(vectors, np.float32)), place)
        queries = dataset.queries.select("query_id", "item_id").rows()
        vectors = [_signs(each, one, noise) for one, each in queries]
        names = tuple(one for one, _ in queries)
        save_queries(EncodedQueries(names, np.array(vectors, np.float32)), place)


def _signs(shared: str, own: str, noise: int) -> np.ndarray[Any, Any]:
    """Return 256 numbers of +-1/16 and, for the encoder's dimensions, as many zeros.

    Of what `shared` decides, `noise` of 16 are drawn by `own`.
    """
    one, other, which = (
        np.frombuffer(b"".join(hashlib.blake2b(f"{text}{i}".encode()).digest() for i in range(4)),
                      np.uint8)
        for text in (shared, own, f"{own}/which")
    )  # fmt: skip
    signs = np.where(np.where(which % 16 < noise, other, one) % 2 == 0, 1, -1) / 16
    return np.pad(signs, (0, len(signs)))


def _external_run(folder: Path) -> None:
    """Write a run of somebody else's: a few documents a query, those of its item among them."""
    from polybatch.core.dataset import read_dataset

    dataset = read_dataset(folder / "data" / "valid" / "cldr-test")
    item = dict(dataset.qrels.select("doc_id", "item_id").rows())
    lines = []
    for query, own in dataset.queries.select("query_id", "item_id").rows():
        digests = {doc: _digest_of(f"{query} {doc}") for doc in dataset.corpus["doc_id"]}
        near = [doc for doc in sorted(digests, key=digests.__getitem__) if item.get(doc) == own]
        far = [doc for doc, value in digests.items() if value < "04"]
        for rank, doc in enumerate(sorted(dict.fromkeys([*near, *far]), key=digests.get), 1):
            lines.append(f"{query} Q0 {doc} {rank} {1 / rank} ours\n")
    path = folder / "inputs" / "ours" / "cldr-test" / "multi.run"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")


def _digest_of(text: str) -> str:
    return hashlib.blake2b(text.encode()).hexdigest()


def prove(folder: Path) -> dict[str, Outputs]:
    """Run the whole study in a folder and return every stage's outputs."""
    make_study(folder)
    return {stage: run(folder, stage) for stage in STAGES}


def with_fixtures(found: dict[str, Outputs]) -> dict[str, Outputs]:
    """Return the study's outputs and, beside them, what the fixtures of each stage give."""
    from tests.helpers.proof_fixtures import fixtures

    given = fixtures(numbers)
    return {stage: {**values, **given.get(stage, {})} for stage, values in found.items()}


def recorded() -> dict[str, Outputs]:
    """Return every stage's outputs as they were at the versions of versions.yaml."""
    found: dict[str, Outputs] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def of_the_study(found: Outputs) -> Outputs:
    """Return the files among a stage's outputs, without the fixtures."""
    return {name: value for name, value in found.items() if "/" in name}


def main() -> int:
    """Run the proof, then record the code's digests, or say which numbers have to go up."""
    from polybatch.versions.code_digest import stage_digests
    from polybatch.versions.record import write_versions

    parser = argparse.ArgumentParser(description="Hold the code against versions.yaml")
    parser.add_argument("--bump", action="store_true", help="raise the numbers that have to go up")
    chosen = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            now = with_fixtures(prove(Path(folder)))
    except SystemExit as error:
        print(f"versions: a stage refuses what it took before: {error}")
        return 1
    before = recorded() if RECORD.is_file() else now
    before = {  # a fixture that is new has nothing to differ from
        stage: {name: one for name, one in found.items() if "/" not in name}
        | before.get(stage, found)
        for stage, found in now.items()
    }
    other = {name: found for name in STAGES if (found := differences(before[name], now[name]))}
    for name, paths in other.items():
        print(f"versions: {name} gives other outputs: {', '.join(paths[:4])}")
    if other and not chosen.bump:
        print(f"versions: bump {', '.join(other)} if that is meant: `make versions BUMP=1`")
        return 1
    names = [f"{name}.cldr" if name == "download" else name for name in other]
    write_versions(ROOT / "versions.yaml", stage_digests(), names)
    if other or not RECORD.is_file() or before != recorded():
        kept = {stage: now[stage] if stage in other else before[stage] for stage in now}
        text = json.dumps(kept, indent=0, sort_keys=True)
        RECORD.write_text(f"{text}\n", encoding="utf-8")
    print(f"versions: {', '.join(names) + ' bumped' if names else 'same outputs'}; code recorded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
