"""A tiny search from end to end: stopped and resumed, repeated, and read by another study."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pickle
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest
import vl_convert

import flows.tune
from polybatch.cli import main
from polybatch.core.errors import DivergedError, InputError, InputErrorList
from polybatch.core.processes import alone
from polybatch.reports.html.tuning_page import plots, tuning_page
from polybatch.settings.load import load
from polybatch.settings.presets import composed
from polybatch.settings.training import TrainingSettings
from polybatch.settings.tuned import TunedStudy, read_tuned
from polybatch.training import resume
from polybatch.tuning import bench
from tests.helpers.toy_flow import make_toy, sh
from tests.tuning.conftest import ROOT, study, write

Runs = tuple[Path, Path]


def _tune(folder: Path) -> int:
    with contextlib.chdir(folder):
        return main(["tune"])


class _Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def runs(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Two folders tuned: one in one go, two trials at a time; one by one, stopped in the third."""
    whole, stopped = (Path(tmp_path_factory.mktemp(name)) / "f" for name in ("whole", "stopped"))
    for folder in (whole, stopped):
        shutil.copytree(made, folder)
    params = study()
    params["study"]["workers"] = 2
    write(whole, params)
    assert _tune(whole) == 0
    with pytest.MonkeyPatch.context() as patch:
        kept, left = resume.Resumable._save_checkpoint, [4]  # adaptations: two each, of two trials

        def save(self: Any, *arguments: Any) -> None:
            kept(self, *arguments)
            left[0] -= 1
            if left[0] < 0:
                raise _Stopped

        patch.setattr(resume.Resumable, "_save_checkpoint", save)
        with pytest.raises(_Stopped):
            _tune(stopped)
    assert "tiny" not in read_tuned(stopped / "tuned.yaml")
    assert not (stopped / "results/tuning.md").exists()
    assert _tune(stopped) == 0
    return whole, stopped


def _tuned(folder: Path) -> TunedStudy:
    return read_tuned(folder / "tuned.yaml")["tiny"]


def test_a_search_that_was_stopped_ends_with_the_same_bytes(runs: Runs) -> None:
    for name in ("tuned.yaml", "results/tuning.md", "results/tuning.html"):
        assert (runs[0] / name).read_bytes() == (runs[1] / name).read_bytes(), name
    trials = [sorted((folder / "results/tuning/trials").rglob("*.json")) for folder in runs]
    assert [path.name for path in trials[0]] == [path.name for path in trials[1]]
    assert len(trials[0]) == 1 + 3 * 2 + 2  # as it comes, trials, the other point of two curves
    assert not (runs[1] / "models/.resume/tuning").exists()


def test_a_search_that_is_done_trains_nothing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (runs[0] / "tuned.yaml").read_bytes()
    monkeypatch.setattr(bench, "train", lambda *_: pytest.fail("it trains"))
    monkeypatch.setattr(bench, "open_checkpoint", lambda *_: pytest.fail("it opens an encoder"))
    assert _tune(runs[0]) == 0
    assert (runs[0] / "tuned.yaml").read_bytes() == before


def test_what_was_wrong_in_a_trial_of_another_process_arrives_whole() -> None:
    error = InputError("a.tsv:2", "1 column", "3", "Separate columns by tabs")
    for each in (error, InputErrorList("a.tsv cannot be used", [error])):
        again = pickle.loads(pickle.dumps(each))
        assert (type(again), str(again)) == (type(each), str(each))


def test_a_trial_whose_loss_is_not_finite_leaves_a_record_and_the_others_go_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "f"
    shutil.copytree(made, folder)
    write(folder, study())
    monkeypatch.chdir(folder)  # where its encoder is
    config = load(folder / "params.yaml")
    row, made_of = config.strategies["hybrid"], config.training
    rates, trained = (1e-4, 5e-3), list[float]()
    trials = [
        bench.Training(
            "hybrid", row, dataclasses.replace(made_of, learning_rate=rate), 2, (2,), None
        )
        for rate in rates
    ]

    def train(_: Any, followed: Any, training: TrainingSettings, *__: Any) -> None:
        trained.append(training.learning_rate)
        if training.learning_rate == 5e-3:
            raise DivergedError("training, step 1", "the loss nan", "a finite loss", "Lower it")

    monkeypatch.setattr(bench, "train", train)
    found = bench.Bench(folder, config)
    once = found.scores(trials)
    assert once[0] is not None
    assert once[1] is None
    assert found.scores(trials) == once
    assert trained == list(rates)  # neither is made again
    records = (folder / "results/tuning/trials/hybrid").glob("*.json")
    failed = [path.read_text() for path in records if '"failed"' in path.read_text()]
    assert len(failed) == 1
    assert "training, step 1: found the loss nan" in failed[0]


def test_a_search_that_is_ended_ends_its_trials_too(made: Path, tmp_path: Path) -> None:
    """By SIGTERM, which reaches the search alone."""
    folder = tmp_path / "f"
    shutil.copytree(made, folder)
    params = study()
    params["study"]["workers"] = 2
    params["batches"]["steps"], params["tuning"]["curve"] = 2000, [2000]
    write(folder, params)
    with (tmp_path / "log").open("w") as log:
        search = psutil.Popen(
            [Path(sys.executable).with_name("polybatch"), "tune"],
            cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip
        while "step 1" not in (tmp_path / "log").read_text():  # of a trial in its own process
            assert search.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.2)
        trials = search.children(recursive=True)
        search.terminate()
        assert search.wait(60) == 130
    assert "polybatch tune: interrupted; what was finished" in (tmp_path / "log").read_text()
    gone, left = psutil.wait_procs(trials, 30)
    assert gone
    assert not left


def test_a_trial_that_another_process_makes_is_waited_for(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that of a search which was killed: its record is taken, and nothing is trained."""
    folder = tmp_path / "f"
    shutil.copytree(runs[0], folder)
    record = next((folder / "results/tuning/trials").rglob("hybrid/*.json"))
    content = record.read_text()
    record.unlink()
    monkeypatch.setattr(bench, "train", lambda *_: pytest.fail("it trains"))
    held, place = Event(), folder / f"models/.resume/tuning/hybrid-{record.stem}.lock"

    def other() -> None:
        with alone(place):
            held.set()
            time.sleep(1)
            record.write_text(content)

    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(other)
        held.wait()
        assert _tune(folder) == 0
        assert made.done()


def test_all_strategies_have_as_many_trials_of_the_same_settings(runs: Runs) -> None:
    tuned = _tuned(runs[0])
    assert tuned.encoder == "inputs/tiny"
    hybrid, mono = tuned.strategies["hybrid"], tuned.strategies["dapt-mono"]
    assert [*tuned.strategies] == ["hybrid", "dapt-mono"]
    assert tuned.adaptation is not None
    assert len(hybrid.trials) == len(mono.trials) == len(tuned.adaptation.trials) == 2
    for one, other in zip(hybrid.trials, mono.trials, strict=True):
        assert one.values.items() - {("cross_ratio", one.values["cross_ratio"])} == (
            other.values.items()
        )
    assert {trial.values["cross_ratio"] for trial in hybrid.trials} == {0.25, 0.75}
    for arm in tuned.strategies.values():
        assert arm.score == max(trial.score for trial in arm.trials)
        assert {point.steps: point.score for point in arm.curve}[4] == arm.score


def test_a_study_that_names_the_tuning_trains_with_what_it_chose(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs[0])  # where its encoder is
    params = study()
    del params["tuning"]
    params["study"] |= {"name": "other", "tuned": "tiny"}
    params["datasets"]["cldr-held"] |= {"splits": ["test"], "part": "all", "heldout_share": 0.0}
    params["sources"]["cldr"]["splits"] = ["train", "test"]
    del params["strategies"]["hybrid"]["cross_ratio"]
    params["strategies"]["dapt-mono"]["training"] = {"temperature": 0.1}
    write(tmp_path, params)
    shutil.copy(runs[0] / "tuned.yaml", tmp_path)
    config, tuned = load(tmp_path / "params.yaml"), _tuned(runs[0])
    best = tuned.strategies["hybrid"].values
    assert config.strategies["hybrid"].cross_ratio == best["cross_ratio"]
    assert config.training_of("hybrid").learning_rate == best["learning_rate"]
    own = config.training_of("dapt-mono")
    assert own.temperature == 0.1  # what the study itself says goes first
    assert own.learning_rate == tuned.strategies["dapt-mono"].values["learning_rate"]
    assert tuned.adaptation is not None
    assert config.dapt is not None
    assert config.dapt.learning_rate == tuned.adaptation.values["learning_rate"]


def test_the_page_draws_its_plots(runs: Runs) -> None:
    tuned = _tuned(runs[0])
    page = tuning_page("tiny", tuned)
    for title, spec in plots(tuned).items():
        assert "<path" in vl_convert.vegalite_to_svg(spec), title
        assert f'data-plot="{title}"' in page
    text = (runs[0] / "results/tuning.md").read_text(encoding="utf-8")
    assert "On the edge of what was tried (†): " in text
    assert "(cldr-held), never on an evaluation dataset" in text


def test_the_flow_refuses_a_study_that_tunes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert flows.tune.main([]) == 1
    assert "no section tuning" in capsys.readouterr().err


def test_a_stage_that_fails_is_code_1_of_a_study_that_tunes_too(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    preset = composed(ROOT / "presets/base.yaml", ROOT / "presets/tune-mlqa.yaml")
    (toy / "params.yaml").write_text(preset, encoding="utf-8")
    stages = {"validate": {"cmd": "exit 3"}, "base": {"cmd": "exit 0"}}
    (toy / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    sh(toy, "polybatch", "run", code=1)


def test_a_study_without_the_section_is_told_so(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    params = study()
    del params["tuning"]
    write(tmp_path, params)
    monkeypatch.chdir(made)  # where its encoder is
    assert main(["tune", "--folder", str(tmp_path)]) == 1
    assert "params.yaml tuning: found nothing" in capsys.readouterr().err
