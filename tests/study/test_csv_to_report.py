"""From a CSV with three questions a passage, in two languages, to a report."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path

import pytest

from tests.helpers.workspace import Workspace

SLOW = pytest.mark.skipif("POLYBATCH_SLOW" not in os.environ, reason="`make test-documents`")
THINGS = {
    "garden": "bustani", "river": "mto", "letter": "barua", "market": "soko", "doctor": "daktari",
    "window": "dirisha", "school": "shule", "bridge": "daraja", "kitchen": "jiko", "boat": "mashua",
}  # fmt: skip
FACTS = {
    "opens at seven in the morning": "hufunguliwa saa moja asubuhi",
    "was built forty years ago": "kilijengwa miaka arobaini iliyopita",
    "belongs to the village council": "ni mali ya baraza la kijiji",
    "lies behind the old station": "kiko nyuma ya kituo cha zamani",
}
ASKED = (
    ("What do you know about the {} that {}?", "Unajua nini kuhusu {} ambayo {}?"),
    ("Which {} {}?", "Ni {} gani {}?"),
    ("Is it true that the {} {}, as people say?", "Je, ni kweli kwamba {} {}, kama wasemavyo?"),
)
ANSWERS = ("The {} {}, as everyone here knows.", "Kila mtu hapa anajua kwamba {} {}.")


@SLOW
def test_three_questions_a_passage_in_two_languages_from_csv_to_report(tmp_path: Path) -> None:
    """The preset `local` with other languages, and fewer steps: six minutes."""
    study = Workspace(tmp_path)
    (study.folder / "inputs/faq").mkdir()
    rows = ["item_id,lang,question,answer"]
    for (number, thing), (other, fact), (third, asked) in itertools.product(
        enumerate(THINGS.items()), enumerate(FACTS.items()), enumerate(ASKED)
    ):
        for lang, what, says, question, answer in zip(
            ("en", "sw"), thing, fact, asked, ANSWERS, strict=True
        ):
            texts = f'"{question.format(what, says)}","{answer.format(what, says)}"'
            rows.append(f"{number}-{other}-{third},{lang},{texts}")
    (study.folder / "inputs/faq/faq.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert study.run("python", "-m", "flows.preset", "local").returncode == 0
    params = (study.folder / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("[de, en, sw]", "[en, sw]")
    params = re.sub(r"steps: \d+", "steps: 2", params).replace("resamples: 10000", "resamples: 100")
    params = re.sub(r"(checkpoint|log)_every: \d+", r"\1_every: 1", params)
    (study.folder / "params.yaml").write_text(params, encoding="utf-8")
    for command in ("python -m flows.check", "dvc repro"):
        done = study.run(*command.split())
        assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((study.folder / "results/validation.json").read_text(encoding="utf-8"))
    counts = [found["datasets"][name] for name in ("faq-train", "faq-test")]
    passages = len(THINGS) * len(FACTS)
    assert sum(each["items"] for each in counts) == 3 * passages
    assert sum(sum(each["documents"].values()) for each in counts) == 2 * passages
    assert sum(each["judgements"] for each in counts) == 6 * passages
    assert all(each["rejected"] == {} for each in counts)
    assert "hybrid" in (study.folder / "results/report.html").read_text(encoding="utf-8")
