"""A corpus of a million documents from its files to scores: seconds and memory of every stage.

    python benchmarks/scale.py --documents 10000 100000             # how cost grows, and its slope
    python benchmarks/scale.py --documents 1000000 --precision bf16

Each size is a study of its own (`polybatch init`), run by `dvc repro` with as many threads as
`--threads`: a BEIR folder of documents in eleven languages, one to four of CLDR's sentences each
with a number of their own, so that no two are the same; questions are the words of a document in
another order; `zero-shot` alone, as every row costs the same. What the stages say of themselves
(results/timing) is printed, and the slope of the logarithms between the smallest and the largest
size: 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from polybatch.sources.cldr import Cldr, write

LANGUAGES = Cldr.languages[:11]
STAGES = ("download-beir-docs", "validate", "index-zero-shot-0", "evaluate-zero-shot-0")
TRAINED = 80  # items of the dataset that nothing is trained on here


def _texts(lang: str, count: int, chance: np.random.Generator) -> Iterator[str]:
    told = [row["document"] for row in write(lang)]
    for number in range(count):
        places = chance.integers(len(told), size=chance.integers(1, 5))
        yield f"{number} " + " ".join(told[place] for place in places)


def make_corpus(folder: Path, documents: int, queries: int) -> None:
    """Write a BEIR folder: a language a folder, each with its share of documents and queries."""
    for code, lang in enumerate(LANGUAGES):
        chance, place = np.random.default_rng(code), folder / lang
        count, asked = documents // len(LANGUAGES), queries // len(LANGUAGES)
        chosen = set(np.linspace(0, count - 1, asked, dtype=int).tolist())
        (place / "qrels").mkdir(parents=True)
        with (
            (place / "corpus.jsonl").open("w", encoding="utf-8") as corpus,
            (place / "queries.jsonl").open("w", encoding="utf-8") as questions,
            (place / "qrels/test.tsv").open("w", encoding="utf-8") as judged,
        ):
            judged.write("query-id\tcorpus-id\tscore\n")
            for number, text in enumerate(_texts(lang, count, chance)):
                doc_id = f"{lang}-{number}"
                corpus.write(_line({"_id": doc_id, "title": "", "text": text}))
                if number in chosen:
                    words = " ".join(chance.permutation(text.split()))
                    questions.write(_line({"_id": f"q-{doc_id}", "text": words}))
                    judged.write(f"q-{doc_id}\t{doc_id}\t1\n")


def _line(row: dict[str, str]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def make_study(folder: Path, documents: int, given: argparse.Namespace) -> None:
    """Make the study's folder, as the command line asks; nothing has run."""
    faq = folder / "faq.csv"
    rows = [f"i{n},{lang},who {n}?,it {n} is" for n in range(TRAINED) for lang in ("en", "de")]
    faq.write_text("item_id,lang,question,answer\n" + "\n".join(rows), encoding="utf-8")
    _call(folder, "polybatch", "init", "study", "--from", str(faq))
    study = folder / "study"
    make_corpus(study / "inputs/docs", documents, given.queries)
    yaml, path = YAML(), study / "params.yaml"
    params = yaml.load(path.read_text(encoding="utf-8"))
    chosen = {"languages": [*LANGUAGES], "splits": ["test"]}
    params["sources"]["beir-docs"] = chosen | {"folder": "inputs/docs"}
    del params["datasets"]["faq-test"]
    whole = {"source": "beir-docs", "use": "evaluate", "part": "all", "heldout_share": 0.0}
    params["datasets"]["docs"] = chosen | whole
    params["study"] |= {"threads": given.threads, "baseline": "zero-shot", "focus": "zero-shot"}
    params["encoder"] |= {"precision": given.precision, "batch_texts": given.batch_texts}
    params["validation"] |= {"near_duplicate": 1.0, "max_duplicates": 1.0, "min_script": 0.0}
    params["validation"] |= {"max_untranslated": 1.0, "min_identified": 0.0, "min_rows": 8}
    params["dapt"] = None
    params["strategies"] = {"zero-shot": {"start": "base", "batches": "none"}}
    for section in ("merges", "centred", "lexical", "fusions", "external"):
        params[section] = {}
    params["statistics"]["contrasts"] = []
    text = StringIO()
    yaml.dump(params, text)
    path.write_text(text.getvalue(), encoding="utf-8")
    _call(study, "git", "init", "-q")


def run_study(folder: Path, last: str) -> dict[str, Any]:
    """Run the study up to the stage `last`; return what each stage says it took."""
    _call(folder, "dvc", "repro", "--quiet", f"{last}@zero-shot-0")
    found = (folder / "results/timing").glob("*.json")
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}


def _call(folder: Path, *command: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout[-3000:])


def main() -> None:
    """Print a table: a row a stage and size, then the slopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--batch-texts", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--last", choices=["index", "evaluate"], default="evaluate")
    given = parser.parse_args()
    took: dict[int, dict[str, Any]] = {}
    for size in given.documents:
        with tempfile.TemporaryDirectory() as place:
            make_study(Path(place), size, given)
            took[size] = run_study(Path(place) / "study", given.last)
        for stage in sorted(took[size]):
            cost = took[size][stage]
            print(
                f"{size:>10,} {stage:24} {cost['seconds']:8.1f} s {cost['cpu_seconds']:8.1f} CPU"
                f" {cost['peak_gib']:6.2f} GiB", flush=True,
            )  # fmt: skip
    least, most = min(took), max(took)
    run = [stage for stage in STAGES if stage in took[most]]
    for stage in run if least < most else ():
        grown = took[most][stage]["cpu_seconds"] / took[least][stage]["cpu_seconds"]
        print(f"slope {stage:24} {np.log(grown) / np.log(most / least):.2f}")


if __name__ == "__main__":
    main()
