"""What the pages say is true: tables, paths, links, messages, params, and the site made of them."""

from __future__ import annotations

import ast
import csv
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from polybatch import __version__
from polybatch.settings.load import load
from polybatch.sources.example import main as write_example
from tests.helpers.browser import chromium
from tests.helpers.documents import ROOT, blocks, pages
from tests.helpers.small_encoders import minilm

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {name: text for name, text in pages().items() if not name.startswith("docs/results/")}


def test_the_table_of_readme_is_that_of_the_default_study() -> None:
    shown = re.findall(r"^\| .*", README, re.MULTILINE)
    with (ROOT / "results/compare.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["measure"] == "AP"]
    for row in rows:
        cells = next(line for line in shown if line.startswith(f"| {row['strategy']} |"))
        cell = cells.split("|")[2 + ["mono", "cross", "multi"].index(row["setting"])]
        value = f"{100 * float(row['value']):.1f}"
        assert cell.strip(" *").startswith(value), (row, "paste the first table of compare.md")
        if row["difference"]:
            assert f"({100 * float(row['difference']):+.1f} [" in cell
    assert len(rows) == 3 * sum(line.count("[") == 3 for line in shown)
    compare = (ROOT / "results/compare.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| .*", compare, re.MULTILINE)[0] in shown


def test_readme_begins_with_the_two_commands() -> None:
    first = next(block for block in blocks() if block.file == "README.md")
    assert [line.split("#")[0].strip() for line in first.text.splitlines()] == [
        "make repro",
        "make test",
    ]


@pytest.mark.parametrize("row", re.findall(r"^\| (?:.*)`(?:src|tests|stages)/.*", README, re.M))
def test_the_map_names_what_is_there(row: str) -> None:
    paths = re.findall(r"`([\w./]+\.(?:py|json|yaml|lock))`", row)
    text = "".join((ROOT / path).read_text(encoding="utf-8") for path in paths)
    assert paths
    for name in re.findall(r"`([A-Za-z_.]+)`", row.split("|")[2]):
        if "/" not in name and name not in paths and not name.endswith(".lock"):
            assert all(re.search(rf"\b{part}\b", text) for part in name.split(".")), name


def test_the_map_shows_every_room() -> None:
    rooms = {path.parent.name for path in (ROOT / "src/polybatch").glob("*/__init__.py")}
    assert rooms == set(re.findall(r"^  (\w+)/", README, re.MULTILINE))
    assert {path.stem for path in (ROOT / "docs/api").glob("*.md")} == rooms | {"index"}


@pytest.mark.parametrize("name", [name for name in PAGES if name.endswith(".md")])
def test_links_of_a_page_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s#]+)", re.sub(r"```.*?```", "", PAGES[name], flags=re.S)):
        if not target.startswith("http"):
            assert ((ROOT / name).parent / target).exists(), target


@pytest.mark.parametrize("name", [name for name in PAGES if name != "CHANGELOG.md"])
def test_source_files_that_a_page_names_are_there(name: str) -> None:
    found = re.findall(r"`((?:src|tests|stages|flows|presets)/[\w/.-]+\.\w+)", PAGES[name])
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_names_of_code_that_pages_give_are_there() -> None:
    form = r"(?<![\w/])polybatch((?:\.[a-z]\w*)+)\.([A-Z]\w+|\w+(?=\())"
    pages = "\n".join(text for name, text in PAGES.items() if name != "CHANGELOG.md")
    found = set(re.findall(form, pages))
    assert len(found) > 9
    for module, name in sorted(found):
        place = ROOT / "src/polybatch" / f"{module[1:].replace('.', '/')}.py"
        text = place.read_text(encoding="utf-8")
        assert re.search(rf"^(?:def |class )?{name}\b", text, re.MULTILINE), (module, name)


@cache
def _texts() -> str:
    """Return all texts of the program, joined where the source joins them."""
    found = []
    for folder in ("src/polybatch", "stages", "flows"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [p.value if isinstance(p, ast.Constant) else "\0" for p in node.values]
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\n".join([*found, (ROOT / "Makefile").read_text(encoding="utf-8")])


def test_messages_of_troubleshooting_are_the_programs() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGES["docs/troubleshooting.md"], re.MULTILINE)
    shown = [code for row in rows if "from DVC" not in row for code in re.findall("`(.+?)`", row)]
    pieces = [piece.strip(" ,:.()'") for code in shown for piece in code.split("…")]
    pieces = [piece for piece in pieces if " " in piece]
    foreign = {"No space left", "stage train of hybrid failed"}
    assert len(pieces) > 25
    assert [piece for piece in pieces if piece not in _texts() and piece not in foreign] == []


def test_the_picture_has_the_stages_of_the_graph() -> None:
    picture = (ROOT / "docs/img/pipeline.svg").read_text(encoding="utf-8")
    graph = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    drawn = set(re.findall(r'class="name"[^>]*>(\w+)<', picture))
    assert drawn == {name.partition("-")[0] for name in graph["stages"]}  # evaluate-merges, ...


def test_the_pictures_are_small() -> None:
    assert all(path.stat().st_size < 150_000 for path in (ROOT / "docs/img").iterdir())


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\*", PAGES["docs/glossary.md"], re.MULTILINE)
    assert words == sorted(words, key=str.lower)
    assert {"item", "pair", "setting", "pool", "batch plan", "strategy"} <= set(words)


def test_the_citation_is_of_this_version() -> None:
    found = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(found)
    assert (found["cff-version"], found["version"]) == ("1.2.0", __version__)
    for each in found["references"]:
        assert {"type", "title", "authors"} <= set(each)


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(new, dict):
        return new
    return {**(old or {}), **{name: _merged((old or {}).get(name), new[name]) for name in new}}


@pytest.mark.parametrize(
    "block", [b for b in blocks() if b.language == "yaml"], ids=lambda b: b.file
)
def test_params_of_a_document_are_read(block: Any, tmp_path: Path) -> None:
    yaml = YAML(typ="safe")
    text = re.sub(r"<commit[^>]*>", "a" * 40, block.text)
    shown = yaml.load(re.sub(r"^(\s*)# (columns:.*)", r"\1\2", text, flags=re.MULTILINE))
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    if "sources" in shown:
        params["sources"], params["datasets"] = {}, {}
        (tmp_path / "inputs/faq").mkdir(parents=True)
    if "datasets" in shown:
        params["dapt"]["texts"] = list(shown["datasets"])[:1]
    with (tmp_path / "params.yaml").open("w", encoding="utf-8") as stream:
        YAML().dump(_merged(params, shown), stream)
    load(tmp_path / "params.yaml")


def test_the_readmes_python_runs_beside_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minilm(tmp_path / "models/hybrid/0")
    monkeypatch.chdir(tmp_path)
    programs = [block for block in blocks() if block.language == "python"]
    assert [block.file for block in programs] == ["README.md", "docs/tutorial.md", "docs/use.md"]
    scope: dict[str, Any] = {}
    exec(programs[0].text, scope)
    assert scope["vectors"].shape == (2, 384)


def test_every_block_is_of_a_language_that_is_tried() -> None:
    known = {"", "sh", "python", "yaml", "mermaid", "text"}
    assert {block.language for block in blocks()} <= known


def test_the_tutorials_python_finds_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    minilm(tmp_path / "models/hybrid/0")
    monkeypatch.chdir(tmp_path)
    assert write_example(["inputs/faq/example.csv"]) == 0
    file = Path("inputs/faq/example.csv")
    file.write_text("".join(file.open(encoding="utf-8").readlines()[:40]), encoding="utf-8")
    (program,) = [
        b.text for b in blocks() if (b.file, b.language) == ("docs/tutorial.md", "python")
    ]
    exec(program, scope := dict[str, Any]())
    assert capsys.readouterr().out.splitlines() == [scope["answers"][at] for at in scope["best"]]


def test_the_documentations_packages_are_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = (ROOT / "requirements-docs.lock").read_text(encoding="utf-8").splitlines()
    names = {line.partition("==")[0] for line in locked}
    named = {re.split(r"[\[>=]", each)[0] for each in project["optional-dependencies"]["docs"]}
    others = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert named <= names
    assert all("==" in line and f"\n{line.partition('==')[0]}==" not in others for line in locked)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it; skipped where its packages are not installed."""
    program = shutil.which("mkdocs") or shutil.which("mkdocs", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("no mkdocs here: `make docs` installs it")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([program, "build", "-q", "--strict", "-d", folder], cwd=ROOT, check=True)
    return folder


def test_the_site_opens_from_disk_and_searches(site: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index", "tutorial", "api/batches", "results/default"):
            page.goto((site / f"{name}.html").as_uri())
            assert page.locator("h1").count() == 1
        page.keyboard.press("f")
        page.keyboard.type("exposure")
        page.wait_for_selector(".md-search-result__item")
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        browser.close()
