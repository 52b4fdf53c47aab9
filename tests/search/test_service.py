"""The service: what it answers, what it refuses, and that nothing makes it fail."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from polybatch.cli import main
from polybatch.search.batching import Batcher
from polybatch.search.searcher import Request, Searcher
from polybatch.search.service import LARGEST_BODY, application
from tests.helpers.browser import visit
from tests.helpers.small_study import NAME, TEXTS, write_study

RUN = "import sys; from polybatch.cli import main; sys.exit(main())"
QUESTION, ANSWER = TEXTS["capital"]["en"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_study(tmp_path_factory.mktemp("study"))
    params = folder / "params.yaml"
    text = params.read_text(encoding="utf-8").replace("focus: hybrid ", "focus: zero-shot ")
    params.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def client(study: Path) -> Iterator[TestClient]:
    app = application(Searcher(study))
    headers = {"Content-Type": "application/json"}
    with TestClient(app, raise_server_exceptions=False, headers=headers) as found:
        yield found


def test_search_answers_with_documents_and_translations(client: TestClient) -> None:
    answer = client.post("/search", json={"query": QUESTION, "strategy": "zero-shot", "k": 2})
    found = answer.json()
    assert answer.status_code == 200
    assert found["results"][0]["text"] == ANSWER
    assert found["translations"]["tr"] == TEXTS["capital"]["tr"][0]
    assert [one["lang"] for one in found["results"][0]["parallel"]] == ["de", "tr"]


def test_choices_examples_health_and_description(client: TestClient) -> None:
    found = client.get("/strategies").json()
    assert found["ready"] == ["zero-shot", "bm25"]
    assert found["default"] == "zero-shot"
    assert found["datasets"][0]["documents"] == 15
    assert len(client.get("/examples?count=3").json()) == 3
    assert client.get("/health").json()["status"] == "ok"
    assert set(client.get("/openapi.json").json()["paths"]) == {
        *("/search", "/strategies", "/examples", "/health"),
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"query": ""}, 422),
        ({"query": "   "}, 400),
        ({"query": "\ud800", "strategy": "zero-shot"}, 422),
        ({"query": "\ud800" * 2001}, 422),
        ({"query": "a" * 1_000_000}, 413),
        ({"query": "a" * LARGEST_BODY}, 413),
        ({"query": "a", "k": 0}, 422),
        ({"query": "a", "k": 10**30}, 422),
        ({"query": "a", "k": 3.5}, 422),
        ({"query": "a", "k": 3.0, "strategy": "bm25"}, 200),
        ({"query": "a", "k": 1000, "strategy": "bm25"}, 200),
        ({"query": "a", "strategy": "hybird"}, 400),
        ({"query": "a", "strategy": "\ud800"}, 422),
        ({"query": "a", "strategy": "hybrid"}, 409),
        ({"query": "a", "strategy": "../../etc"}, 400),
        ({"query": "a", "dataset": "../cldr-test"}, 400),
        ({"query": "a", "strategy": "bm25", "languages": ["xx"]}, 400),
        ({"query": "a", "strategy": "bm25", "languages": ["x"] * 101}, 422),
        ({"query": "a", "other": 1}, 422),
        ([], 422),
    ],
)
def test_wrong_requests_are_refused_with_a_reason(
    client: TestClient, body: object, status: int
) -> None:
    answer = client.post("/search", content=json.dumps(body))
    assert answer.status_code == status, answer.text
    assert status == 200 or isinstance(answer.json()["detail"], str)


def test_an_answer_waits_for_no_acknowledgement(
    served: tuple[str, subprocess.Popen[str]],
) -> None:
    """On a connection that is kept open the system would hold it back for 40 ms (Nagle)."""
    connection = http.client.HTTPConnection(served[0].removeprefix("http://"), timeout=60)
    seconds = []
    for _ in range(20):
        begun = time.perf_counter()
        connection.request("GET", "/health")
        assert connection.getresponse().read()
        seconds.append(time.perf_counter() - begun)
    assert min(seconds[1:]) < 0.03


def test_schemathesis_finds_nothing(
    served: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Another's requests, right and wrong ones, made of the description alone."""
    config = Path(__file__).with_name("schemathesis.toml")
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    done = subprocess.run(
        [*program, "run", f"{served[0]}/openapi.json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff", b"null", b"[" * LARGEST_BODY, b'{"query": NaN}'),
        b'{"query": "a", "k": ' + b"9" * 5000 + b"}",
        *(b'{"query": "a", "k": true}', b'{"query": "a", "k": "3"}'),
        b"query=a&k=3",
    ],
    ids=range(10),
)
def test_what_is_no_search_is_refused_with_a_reason(client: TestClient, body: bytes) -> None:
    answer = client.post("/search", content=body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["detail"]


def test_the_largest_search_that_the_description_allows_fits_into_a_body(
    client: TestClient,
) -> None:
    pair = "\U0001f600"  # twelve bytes, escaped
    body = {"query": pair * 2000, "strategy": pair * 100, "dataset": pair * 100}
    answer = client.post("/search", json=body | {"languages": [pair * 35] * 100, "k": 1000})
    assert (answer.status_code, "one of zero-shot" in answer.text) == (400, True)


_INDEX = f"data/index/zero-shot/0/{NAME}"


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        *(("zero-shot", f"{_INDEX}/{x}") for x in ("documents.faiss", "doc_ids.parquet")),
        *(("zero-shot", f"models/zero-shot/0/{name}.json") for name in ("config", "modules")),
        ("zero-shot", "models/zero-shot/0/model.safetensors"),
        *(("bm25", f"data/index/bm25/0/{NAME}/{x}") for x in ("bm25.json", "documents.parquet")),
        ("bm25", f"data/valid/{NAME}/corpus.parquet"),
    ],
    ids=lambda value: value.rpartition("/")[2],
)
def test_a_damaged_file_is_named_and_fails_no_server(
    study: Path, tmp_path: Path, strategy: str, name: str
) -> None:
    shutil.copytree(study, tmp_path / "study", copy_function=os.link)
    path = tmp_path / "study" / name
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"{}", b"", None):
        path.unlink()  # a link: the study keeps its own
        if content is not None:
            path.write_bytes(content)
        with TestClient(application(Searcher(tmp_path / "study"))) as client:
            answer = client.post("/search", json={"query": QUESTION, "strategy": strategy})
        assert answer.status_code == 409, answer.text
        assert str(path.parent) in answer.json()["detail"]


def test_what_comes_together_is_searched_together() -> None:
    calls: list[int] = []
    entered, go = threading.Event(), threading.Event()

    class Slow:
        def search_all(self, requests: list[Request]) -> list[dict[str, str]]:
            calls.append(len(requests))
            entered.set()
            go.wait(5)
            if any(one.query == "bad" for one in requests):
                raise ValueError("bad")
            return [{"query": one.query} for one in requests]

    async def run() -> list[object]:
        batcher = Batcher(Slow())  # type: ignore[arg-type]
        first = asyncio.create_task(batcher.search(Request("0")))
        await asyncio.to_thread(entered.wait)
        names = ["1", "bad", "2"]
        others = [asyncio.create_task(batcher.search(Request(name))) for name in names]
        await asyncio.sleep(0)
        go.set()
        return list(await asyncio.gather(first, *others, return_exceptions=True))

    found = asyncio.run(run())
    assert [one if isinstance(one, dict) else str(one) for one in found] == [
        {"query": "0"}, {"query": "1"}, "bad", {"query": "2"},
    ]  # fmt: skip
    assert calls == [1, 3, 1, 1, 1]  # the bad one is found by asking each alone


def test_a_port_in_use_is_told(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--folder", str(study)]) == 1
    assert "a free port" in capsys.readouterr().err
    assert main(["serve", "--port", "99999999", "--folder", str(study)]) == 1


@pytest.fixture(scope="module")
def served(study: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "serve", "--port", "0", "--folder", str(study)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    address = re.match(r"http://127\.0\.0\.1:\d+", line)
    assert address, line
    yield address[0], process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_the_page_in_a_browser_on_a_phone_dark_and_by_keyboard(
    served: tuple[str, subprocess.Popen[str]],
) -> None:
    shots = os.environ.get("POLYBATCH_SHOTS")
    with visit(served[0], 390, 844, dark=True) as found:
        page = found.page
        page.keyboard.press("/")
        page.keyboard.type(QUESTION)
        page.select_option("#second", "bm25")
        page.locator("#query").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#results li")
        assert page.locator("#results section").count() == 2
        assert page.locator("#results section").first.locator("li p").first.inner_text() == ANSWER
        turkish = page.get_by_role("button", name=re.compile("Turkish"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        if shots:
            page.screenshot(path=f"{shots}/phone.png", full_page=True)
        turkish.click()
        page.wait_for_function("document.querySelector('#results li [lang=tr]')")
        assert (
            page.get_by_label("Question, in any language").input_value()
            == (TEXTS["capital"]["tr"][0])
        )
        page.get_by_label("de", exact=True).check()
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Search", exact=True).click()
        tags = page.locator("#results li > .facts .tag")
        expect(tags.filter(has_not_text="de")).to_have_count(0)
        expect(tags.first).to_have_text("de")
        assert all(url.startswith(served[0]) for url in found.requests if "data:" not in url)
        assert found.said == []
    if shots:
        with visit(served[0], 1280, 900) as found:
            found.page.fill("#query", QUESTION)
            found.page.select_option("#second", "bm25")
            found.page.click("button[type=submit]")
            found.page.wait_for_selector("#results li")
            found.page.screenshot(path=f"{shots}/desk.png")


@pytest.mark.slow
def test_sigterm_finishes_what_runs(served: tuple[str, subprocess.Popen[str]]) -> None:
    address, process = served
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"query": QUESTION, "strategy": "zero-shot", "k": 15})
    asked = "POST /search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + (
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    clients = [socket.create_connection((host, int(port)), 60) for _ in range(40)]
    for client in clients:
        client.sendall(asked.encode())
    first = clients[0].recv(1 << 20)
    process.send_signal(signal.SIGTERM)
    begun = [first, *(client.recv(1 << 20) for client in clients[1:])]
    assert [answer[9:12] for answer in begun] == [b"200"] * 40
    assert process.wait(60) in (0, -signal.SIGTERM)
