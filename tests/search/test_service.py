"""The service: what it answers, what it refuses, and that nothing makes it fail."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect
from starlette.testclient import TestClient

from polybatch.cli import main
from polybatch.search.batching import Batcher
from polybatch.search.searcher import Request, Searcher
from polybatch.search.service import LARGEST_BODY, application
from tests.helpers.browser import visit
from tests.helpers.small_study import TEXTS, write_study

RUN = "import sys; from polybatch.cli import main; sys.exit(main())"
QUESTION, ANSWER = TEXTS["capital"]["en"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


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
        ({"query": "a", "k": 1000, "strategy": "bm25"}, 200),
        ({"query": "a", "strategy": "hybird"}, 400),
        ({"query": "a", "strategy": "\ud800"}, 400),
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


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


_BODIES = st.binary(max_size=200) | st.fixed_dictionaries(
    {"query": _JSON | st.text(max_size=50)},
    optional={
        "strategy": st.sampled_from(["bm25", "zero-shot"]) | _JSON,
        "languages": st.lists(st.sampled_from(["en", "de", "xx"]), max_size=3) | _JSON,
        **{"dataset": _JSON, "k": st.integers(-1, 2000) | _JSON},
    },
).map(lambda found: json.dumps(found).encode())
_VALUES = st.text(max_size=20) | st.integers().map(str) | st.sampled_from(["cldr-test", "3"])


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_answer_is_one_that_the_description_names(
    client: TestClient, data: st.DataObject
) -> None:
    """Whatever is sent: a status that /openapi.json lists, and a body of the form given there."""
    description = client.get("/openapi.json").json()
    operations = {
        (path, method): operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    path, method = data.draw(st.sampled_from(sorted(operations)))
    operation = operations[path, method]
    names = [one["name"] for one in operation.get("parameters", ())]
    query = {name: data.draw(_VALUES) for name in names if data.draw(st.booleans())}
    body = data.draw(_BODIES) if "requestBody" in operation else None
    answer = client.request(method.upper(), path, params=query, content=body)
    assert str(answer.status_code) in operation["responses"], answer.text
    form = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), {**form, "components": description["components"]})


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
    asked = "POST /search HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + (
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
