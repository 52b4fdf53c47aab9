"""The tutorial, as a newcomer goes through it, from a file of questions to a search page."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import shlex
import subprocess
import urllib.request
from pathlib import Path

import pytest

from polybatch.settings.load import load
from polybatch.sources.example import example
from tests.helpers.documents import blocks
from tests.helpers.toy_flow import ENVIRONMENT
from tests.helpers.workspace import Workspace

PAGE = "docs/tutorial.md"
QUESTIONS, LANGUAGES = 200, 3
ELSEWHERE = {
    "make .venv/.installed": "the environment is there",
    "python -m polybatch.sources.example inputs/faq/example.csv": "the file is the user's own",
    "polybatch serve": "it is started on a free port, and ended",
}
STEPS = [
    *("python -m flows.preset local", "python -m flows.check", "polybatch run"),
    *("polybatch compare mono hybrid", "polybatch run", "polybatch recommend --setting multi"),
    "polybatch compare hybrid dapt-hybrid",
    'polybatch search "Ni sarafu gani inatumika Andorra?" --strategy hybrid --k 3',
]
"""What the page shows, in its order, `make repro` as what it runs."""


def _shown() -> list[str]:
    found = []
    for block in blocks():
        if block.file == PAGE and block.language == "sh":
            lines = [re.sub(r"\s+#.*$", "", line).strip() for line in block.text.splitlines()]
            found += [line.removeprefix(".venv/bin/") for line in lines]
    return ["polybatch run" if line == "make repro" else line for line in found]


def test_the_steps_are_those_of_the_page() -> None:
    assert [command for command in _shown() if command not in ELSEWHERE] == STEPS
    assert set(ELSEWHERE) <= set(_shown())


def _questions() -> str:
    """Return a file of 200 items in three languages, the items spread over the example's."""
    head, *rows = csv.reader(io.StringIO(example()))
    items = sorted({row[0] for row in rows})
    kept = {items[n * len(items) // QUESTIONS] for n in range(QUESTIONS)}
    chosen = [row for row in rows if row[0] in kept]
    assert len(chosen) == QUESTIONS * LANGUAGES
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([head, *chosen])
    return stream.getvalue()


def _answers(study: Workspace) -> None:
    """Serve, ask the service and fetch its page, and end it."""
    command = ["polybatch", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=study.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        address = served.stdout.readline().split()[0]
        try:
            with urllib.request.urlopen(address, timeout=60) as page:
                assert b'type="search"' in page.read()
            body = json.dumps({"query": "What is the currency?", "strategy": "hybrid"}).encode()
            asked = urllib.request.Request(f"{address}/search", body)
            asked.add_header("Content-Type", "application/json")
            with urllib.request.urlopen(asked, timeout=60) as answer:
                assert json.load(answer)["results"]
        finally:
            served.terminate()


@pytest.mark.skipif("POLYBATCH_SLOW" not in os.environ, reason="`make test-documents`")
def test_from_a_file_of_questions_to_a_search_page(tmp_path: Path) -> None:
    """At most a quarter of an hour on two cores, counted in processor time."""
    study = Workspace(tmp_path)
    (study.folder / "inputs/faq").mkdir()
    (study.folder / "inputs/faq/mine.csv").write_text(_questions(), encoding="utf-8")
    before, said = resource.getrusage(resource.RUSAGE_CHILDREN), dict[str, str]()
    for number, command in enumerate(STEPS):
        if number == 4:  # section 5: other seeds
            path = study.folder / "params.yaml"
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(r"seeds: \[0\]", "seeds: [0, 1, 2]", text), encoding="utf-8")
        done = study.run(*shlex.split(command))
        assert done.returncode == 0, done.stdout + done.stderr
        said[command] = done.stdout
    assert len(load(study.folder / "params.yaml").study.seeds) == 3
    recommended = said["polybatch recommend --setting multi"]
    assert recommended.startswith("faq-test multi: ")
    assert re.search(r"[Tt]ake [a-z-]+ \(", recommended)
    assert "3 documents" in said[STEPS[-1]]
    assert (study.folder / "results/report.html").is_file()
    _answers(study)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < 2 * 15 * 60
