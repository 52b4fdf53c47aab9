"""`polybatch init`: a study apart from the repository, in which DVC finds its stages."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from polybatch.cli import main
from polybatch.settings.load import load

FAQ = "item_id,lang,question,answer\n1,en,Why?,Because.\n1,sw,Kwa nini?,Kwa sababu.\n"


def test_a_new_study_has_the_default_params_and_all_of_dvcs_stages(tmp_path: Path) -> None:
    folder = tmp_path / "my-study"
    assert main(["init", str(folder)]) == 0
    assert list(load(folder / "params.yaml").used_for("evaluate")) == ["cldr-test"]
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    listed = subprocess.run(
        ["dvc", "stage", "list", "--name-only"],
        cwd=folder, capture_output=True, text=True, check=True, env=os.environ,
    ).stdout.split()  # fmt: skip
    assert {"settings", "validate", "train@hybrid-0", "report"} <= set(listed)


def test_a_faq_gives_its_languages_and_its_file(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(FAQ, encoding="utf-8")
    folder = tmp_path / "mine"
    assert main(["init", str(folder), "--from", str(tmp_path / "faq.csv")]) == 0
    config = load(folder / "params.yaml")
    assert config.sources["local"].languages == ("en", "sw")
    assert {one.languages for one in config.datasets.values()} == {("en", "sw")}
    assert (folder / "inputs/faq/faq.csv").read_text(encoding="utf-8") == FAQ


def test_an_empty_folder_is_filled_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert main(["init", "."]) == 0
    assert Path("README.md").read_text(encoding="utf-8").startswith("# mine\n")
    assert main(["init", str(tmp_path / "other")]) == 0
    files, other = (
        {path.relative_to(root) for path in root.rglob("*")}
        for root in (Path.cwd(), tmp_path / "other")
    )
    assert files == other


def test_a_folder_of_tables_is_copied_as_validate_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {"a/faq.csv": FAQ, "b/faq.csv": FAQ.replace("1,sw", "1,de"), "README.md": "of us"}
    texts[".old/faq.csv"] = FAQ.replace("1,sw", "1,fr")
    for name, text in texts.items():
        (tmp_path / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "given" / name).write_text(text, encoding="utf-8")
    assert main(["init", str(tmp_path / "mine"), "--from", str(tmp_path / "given")]) == 0
    assert load(tmp_path / "mine/params.yaml").sources["local"].languages == ("de", "en", "sw")
    copied = tmp_path / "mine/inputs/faq"
    names = {path.relative_to(copied).as_posix() for path in copied.rglob("*") if path.is_file()}
    assert names == {"a/faq.csv", "b/faq.csv"}
    capsys.readouterr()
    for folder in (tmp_path / "given", copied):  # the study reads what was given
        assert main(["validate", str(folder)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[: len(rows) // 2] == rows[len(rows) // 2 :]


def test_splits_of_any_words_stay_these_words(tmp_path: Path) -> None:
    words = ["2024", "true", "null", "*x", "a: b", "a, b", "[x]", "#1", "- y", "it's", '"', "ü"]
    lines = ["item_id\tlang\tquestion\tanswer\tsplit"]
    lines += [f"{n}\ten\tWhy {n}?\tSo {n}.\t{word}" for n, word in enumerate(words)]
    path = tmp_path / "faq.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["init", str(tmp_path / "mine"), "--from", str(path)]) == 0
    config = load(tmp_path / "mine/params.yaml")
    assert config.sources["local"].splits == ("all", *sorted(words))
    assert {one.splits for one in config.datasets.values()} == {("all", *sorted(words))}


@pytest.mark.parametrize(
    ("words", "parts", "says"),
    [
        (["train", "train", "test"], (("train",), ("test",)), "evaluates test. Next"),
        (["Train", "dev", "2024"], (("Train",), ("dev",)), "evaluates dev, and takes no row of"),
        (["Train", "train", "test"], (("train",), ("test",)), "evaluates test. Next"),
        (["train", "dev", "test"], (("train",), ("test",)), "and takes no row of dev"),
        (["train", "", "test"], None, "draws what it evaluates from all rows"),
        (["2024", "2025"], None, "draws what it evaluates from all rows"),
    ],
)
def test_a_column_with_train_and_test_is_followed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    parts: tuple[tuple[str], tuple[str]] | None,
    says: str,
) -> None:
    lines = ["item_id,lang,question,answer,split"]
    lines += [f"{n},en,Why {n}?,So {n}.,{word}" for n, word in enumerate(words)]
    (tmp_path / "faq.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["init", str(tmp_path / "mine"), "--from", str(tmp_path / "faq.csv")]) == 0
    assert says in capsys.readouterr().out
    config = load(tmp_path / "mine/params.yaml")
    splits = config.sources["local"].splits
    assert len({word.casefold() for word in splits}) == len(splits)  # else `Train` would be lost
    train, test = config.datasets.values()
    if parts is None:
        assert (train.part, test.part, train.splits) == ("train", "heldout", test.splits)
    else:
        assert (train.splits, test.splits) == parts
        assert {(one.part, one.heldout_share) for one in (train, test)} == {("all", 0.0)}


def test_each_split_has_the_languages_of_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "1,en,Why?,So.,train\n1,sw,Mbona?,Hivyo.,train\n2,en,Who?,Me.,test\n2,de,,Ich.,test\n"
    path = tmp_path / "faq.csv"
    path.write_text("item_id,lang,question,answer,split\n" + rows, encoding="utf-8")
    assert main(["init", str(tmp_path / "mine"), "--from", str(path)]) == 0
    told = "trains on the split train (none in de), evaluates test (none in sw). Next"
    assert told in capsys.readouterr().out
    config = load(tmp_path / "mine/params.yaml")
    assert config.sources["local"].languages == ("de", "en", "sw")
    assert [one.languages for one in config.datasets.values()] == [("en", "sw"), ("de", "en")]


def test_other_forms_of_questions_become_a_study_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "item_id\tquestion_en\tanswer_en\tquestion_pt-BR\tanswer_pt-BR\tsplit\n"
    rows = "1\tWhy?\tBecause.\tPor quê?\tPorque.\ttest\n2\tWho?\t\tQuem?\t\ttest\n"
    (tmp_path / "faq.tsv").write_text(head + rows, encoding="utf-8")
    assert main(["init", str(tmp_path / "mine"), "--from", str(tmp_path / "faq.tsv")]) == 0
    assert "2 rows cannot be used: polybatch validate" in capsys.readouterr().out
    config = load(tmp_path / "mine/params.yaml")
    assert config.sources["local"].languages == ("en", "pt-BR")
    assert config.sources["local"].splits == ("all", "test")


def test_what_cannot_become_a_study_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "faq.csv").write_text("item_id,language,q\n1,en,a\n", encoding="utf-8")
    assert main(["init", str(tmp_path / "new"), "--from", str(tmp_path / "faq.csv")]) == 1
    told = capsys.readouterr().err
    assert "no row with a language (columns: item_id, language, q)" in told
    assert "a column lang, or columns such as question_sw" in told
    assert not (tmp_path / "new").exists()
    assert main(["init", str(tmp_path)]) == 1
    assert "a new or empty folder" in capsys.readouterr().err


def test_a_study_that_has_not_run_says_so_whatever_is_wanted_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, new = tmp_path / "mine", str(tmp_path / "new")
    assert main(["init", str(folder)]) == 0
    for command in (
        *(["recommend"], ["search", "Why?"], ["search", "Why?", "--strategy", "bm25"]),
        *(["compare", "mono", "hybrid"], ["compare", "mono", "hybrid", "--latex"]),
        *(["export", "hybrid", new], ["export", "hybrid", new, "--results", "mteb"]),
        ["runs", "hybrid", "--out", new],
    ):
        assert main([*command, "--folder", str(folder)]) == 1
        told = capsys.readouterr().err
        assert re.fullmatch(
            rf"polybatch {command[0]}: {folder}/(results|data)/\S+: found no such file, .*"
            r"Run `polybatch run`: this study has not run yet, or not to its end\.\n",
            told,
        ), told
    assert not Path(new).exists()


def test_an_upgrade_says_whose_results_changed_and_what_reruns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    main(["init", str(folder)])
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "Begin"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    given = ["upgrade", "--folder", str(folder)]
    capsys.readouterr()
    assert main(given) == 0
    assert "results are of this version: nothing reruns" in capsys.readouterr().out
    versions, new = folder / "versions.yaml", (folder / "versions.yaml").read_text()
    (number,) = re.findall(r"^centre: (\d+)$", new, re.MULTILINE)
    versions.write_text(new.replace(f"\ncentre: {number}\n", "\ncentre: 0\n"))
    assert main(given) == 0
    says = capsys.readouterr().out.splitlines()
    assert f"{versions}: centre is 0, and {number} now" in says
    (again,) = (line.partition("rerun: ")[2].split(", ") for line in says if "rerun: " in line)
    centred = {"zero-shot-centred", "hybrid-centred"}
    scored = {f"evaluate-centred@{name}-0" for name in centred}
    assert {*again} == {*(f"centre@{name}" for name in centred), *scored, "compare", "report"}
    assert main([*given, "--pipeline"]) == 1  # the older number is in no commit
    assert "versions.yaml that are in no commit" in capsys.readouterr().err
    subprocess.run([*git, "commit", "-qam", "As it was"], cwd=folder, check=True)
    assert main([*given, "--pipeline"]) == 0
    assert versions.read_text() == new
