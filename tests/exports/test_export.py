"""`polybatch export`: the folder loads without polybatch, and with it, without running its code."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from sentence_transformers import SentenceTransformer

from flows.current import export_current
from polybatch.cli import main
from polybatch.core.dataset import write_table
from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of_folder
from polybatch.encoders import hub
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.light import LightEncoder
from polybatch.encoders.onnx_graph import FILE
from polybatch.encoders.shipped_code import shipped_files
from polybatch.exports.card import model_card
from polybatch.reports.results_folder import Study
from polybatch.settings.load import load
from tests.helpers.onnx_code import run_onnx_code
from tests.helpers.small_encoders import labse, settings_for
from tests.helpers.small_study import NAME, dataset, write_index, write_study
from tests.helpers.small_study import TEXTS as WORDS

TEXTS = ["how are you", "wie geht es dir", "", "東京都 \U0001f9ff\U0001f9ff", "a " * 300]
CUT = [" ".join(text.split()[:40]) for text in TEXTS]

ALONE = """
import json, sys
sys.modules["polybatch"] = None  # any import of it fails
import torch
from sentence_transformers import SentenceTransformer
encoder = SentenceTransformer(sys.argv[1], trust_remote_code=True, device="cpu")
texts = json.loads(sys.argv[2])
print(json.dumps([encoder.encode(texts).tolist(), encoder.prompts]))
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def exported(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "encoder"
    given = ["zero-shot", str(folder), "--dtype", "int8", "--onnx", "--folder", str(study)]
    assert main(["export", *given]) == 0
    return folder


def test_it_loads_with_sentence_transformers_alone_and_gives_the_same_vectors(
    study: Path, exported: Path
) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", ALONE, str(exported), json.dumps(CUT)],
        capture_output=True, text=True, check=True, cwd=exported.parent,
    )  # fmt: skip
    vectors, prompts = json.loads(answer.stdout.splitlines()[-1])
    assert prompts == {"query": "", "document": ""}
    before = open_checkpoint(study / "models/zero-shot/0")
    after = open_checkpoint(exported)  # by the code of polybatch
    ours = encode_texts(after, CUT, 160, 8)
    assert np.allclose(vectors, ours, atol=1e-5)
    same = (encode_texts(before, CUT, 160, 8) * ours).sum(axis=1)
    assert same.min() > 0.999  # int8
    assert isinstance(after, LightEncoder)


def test_the_cards_code_gives_the_same_vectors_by_onnxruntime(exported: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    found = run_onnx_code(card, exported, TEXTS)
    ours = encode_texts(open_checkpoint(exported), TEXTS, 160, 2)
    assert np.allclose(found, ours, atol=1e-5)
    assert (exported / FILE).stat().st_size < 1.05 * (exported / "model.safetensors").stat().st_size
    _, measures = card.split("## Measures")
    int8, graph = (measures.index(f"by {each}") for each in ("the numbers saved", FILE))
    assert int8 < measures.index("cldr-test de") < graph < measures.rindex("cldr-test tr")


def test_a_transformers_graph_is_measured_and_written_beside_it(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [text for each in WORDS.values() for pair in each.values() for text in pair]
    encoder = hub.load(settings_for(labse(tmp_path / "tiny", texts)))
    shutil.copytree(study, tmp_path / "study")
    (tmp_path / "study/models/hybrid/0").mkdir(parents=True)
    save_checkpoint(encoder, tmp_path / "study/models/hybrid/0")
    write_index(tmp_path / "study", "hybrid", encoder)
    given = ["hybrid", "out", "--dtype", "fp16", "--onnx", "--max-loss", "5"]
    with contextlib.chdir(tmp_path):
        assert main(["export", *given, "--folder", str(tmp_path / "study")]) == 0
    out = tmp_path / "out"
    assert f"AP against the checkpoint's, {FILE}" in capsys.readouterr().out
    found = run_onnx_code((out / "README.md").read_text(encoding="utf-8"), out, texts)
    assert np.allclose(found, encode_texts(open_checkpoint(out), texts, 160, 8), atol=1e-5)
    assert [each.name for each in out.iterdir() if each.is_dir()].count("onnx") == 1
    assert not [each for each in out.iterdir() if each.name.startswith("tmp")]


def test_without_trust_nothing_runs(exported: Path) -> None:
    with pytest.raises(ValueError, match="trust_remote_code"):
        SentenceTransformer(str(exported), device="cpu")


def test_shipped_code_imports_nothing_of_ours() -> None:
    for name, text in shipped_files().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                assert all("polybatch" not in alias.name for alias in node.names), name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert "polybatch" not in str(node.module), name


def test_changed_code_is_refused_and_not_run(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    folder.mkdir()
    for file in (each for each in exported.iterdir() if each.is_file()):
        (folder / file.name).symlink_to(file) if file.suffix != ".py" else None
        if file.suffix == ".py":
            (folder / file.name).write_text(file.read_text() + "\nraise SystemExit('ran')\n")
    for file in folder.glob("*"):
        if file.is_symlink():
            target = file.resolve()
            file.unlink()
            file.hardlink_to(target)
    with pytest.raises(InputError, match="with other code"):
        open_checkpoint(folder)


def test_a_row_that_is_not_made_again_yet_keeps_no_other_from_export(
    study: Path, tmp_path: Path
) -> None:
    folder, path = tmp_path / "study", Path("results/scores/zero-shot/0.parquet")
    shutil.copytree(study, folder)
    old = pl.read_parquet(folder / path).filter(pl.col("item_id") != "rain")
    (folder / "results/scores/hybrid").mkdir()
    for seed in load(folder / "params.yaml").study.seeds:
        write_table(old, folder / f"results/scores/hybrid/{seed}.parquet", {NAME: "older"})
    out = tmp_path / "out"
    assert main(["export", "zero-shot", str(out), "--folder", str(folder)]) == 0
    assert "## Measures" in (out / "README.md").read_text(encoding="utf-8")


def test_the_card_has_the_hubs_metadata_and_the_measures(exported: Path) -> None:
    _, head, text = (exported / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    meta = yaml.safe_load(head)
    assert meta["library_name"] == "sentence-transformers"
    assert {"de", "en", "tr"} <= set(meta["language"])
    assert meta["datasets"] == ["cldr"]
    (model,) = meta["model-index"]
    results = {one["dataset"]["config"]: one["metrics"] for one in model["results"]}
    assert set(results) == {"mono", "cross", "multi"}
    found = {one["type"]: one["value"] for one in results["mono"]}
    path = exported.parent.parent
    assert set(found) == {"map", "recall_at_1"}, path
    assert all(0 <= value <= 100 for value in found.values())
    for part in ("How to load", "Measures", "Bias and limits", "Unicode License"):
        assert part in text
    assert "as it comes, not trained" in text
    assert "training" not in text.partition("## How to load")[0].replace("not trained", "")
    assert "One training" not in text


def test_the_metadata_are_what_the_hub_reads(exported: Path) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(exported / "README.md")
    assert card.data.model_name == "zero-shot"
    assert {one.task_type for one in card.data.eval_results or []} == {"Retrieval"}


def test_a_flow_replaces_the_current_export_at_once_and_nothing_else(
    study: Path, tmp_path: Path
) -> None:
    """Two nights: the second folder is a new one; a folder of somebody else's is left alone."""
    shutil.copytree(study, tmp_path / "study")
    root = tmp_path / "study"
    config = load(root / "params.yaml")
    config = replace(config, study=replace(config.study, focus="zero-shot"))
    for _ in range(2):
        told = export_current(root, config)
        assert told.startswith("exported zero-shot/0 as fp32"), told
        about = json.loads((root / "models/current/polybatch.json").read_text())
        assert about["training"] == "zero-shot/0"
        assert about["checkpoint_sha256"] == sha256_of_folder(root / "models/zero-shot/0")
        assert (root / "models/current/README.md").is_file()
    (root / "models/current/polybatch.json").unlink()
    assert "models/current is as it was" in export_current(root, config)
    assert (root / "models/current/README.md").is_file()


def test_the_card_says_of_this_encoder_what_it_reads_as_one(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns("models"))
    bias = {NAME: {"distinct_queries": {"de": [5, 2]}}}
    (tmp_path / "study/results/bias/zero-shot/0.json").write_text(json.dumps(bias))
    found = Study(tmp_path / "study")
    card = model_card(found, found.config.trials_of("zero-shot")[0], "fp32", {}, [])
    assert f"{NAME}, de: this encoder has 2 different vectors for 5 different questions" in card


def test_results_in_mtebs_form(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    given = ["zero-shot", str(out), "--results", "mteb", "--folder", str(study)]
    assert main(["export", *given]) == 0
    found = json.loads((out / f"zero-shot/cldr/{NAME}.json").read_text(encoding="utf-8"))
    rows = {one["hf_subset"]: one for one in found["scores"]["test"]}
    languages = sorted(set(dataset().queries["lang"]))
    assert set(rows) == {f"{a}-{b}" for a in languages for b in [*languages, "mul"]}
    assert rows["tr-en"]["languages"] == ["tur-Latn", "eng-Latn"]
    truth = json.loads((study / "results/metrics/zero-shot/0.json").read_text())[NAME]
    own = [rows[f"{lang}-{lang}"]["map"] for lang in languages]
    assert np.mean(own) == pytest.approx(truth["mono"]["AP"])


def test_a_studys_name_leads_nowhere_else(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns("models"))
    params = tmp_path / "study/params.yaml"
    params.write_text(re.sub(r"(?m)^  name: .*", "  name: ../../out", params.read_text(), count=1))
    before = set(tmp_path.iterdir())
    given = ["zero-shot", str(tmp_path / "in"), "--results", "mteb"]
    assert main(["export", *given, "--folder", str(tmp_path / "study")]) == 0
    assert set(tmp_path.iterdir()) - before == {tmp_path / "in"}
    assert (tmp_path / f"in/zero-shot/out/{NAME}.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("bm25", "new"), "which have a checkpoint"),
        (("zero-shot", "."), "a new folder"),
        (("zero-shot", ".", "--results", "mteb"), "a new folder"),
        (("zero-shot", "new", "--seed", "7"), "one of 0"),
        (("zero-shot", "new", "--dtype", "int8", "--max-loss", "-1"), "points of AP"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(
    study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments, "--folder", str(study)]) == 1
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
