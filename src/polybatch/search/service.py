"""The search as a service: FastAPI with a page, for a network that one trusts.

Everything is answered by one thread (`batching`); what a client may ask for is limited here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, BeforeValidator, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request as HttpRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polybatch import __version__
from polybatch.core.errors import InputError, InputErrorList
from polybatch.search.batching import Batcher
from polybatch.search.searcher import LONGEST, MOST, Request, Searcher

LARGEST_BODY = 80 * 1024
"""Bytes of a request's body: what `Asked` allows, each character escaped (12 bytes), and blanks."""
BODY_SECONDS = 20.0
"""Until a body has to be there: one that never ends would keep the service from ending."""

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


_Name = Annotated[str, Field(max_length=100)]
_Tag = Annotated[str, Field(max_length=35)]  # RFC 5646, 4.4.1: room for every language tag


def _whole(value: object) -> object:
    """Return 3.0 as 3: in a JSON schema both are integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Asked(BaseModel, extra="forbid", strict=True):
    """A search. `languages`: of the documents, empty for all; null: the study's default."""

    query: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    strategy: _Name | None = None
    dataset: _Name | None = None
    languages: Annotated[list[_Tag], Field(max_length=100)] = []
    k: Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_whole)] = 10


class Document(BaseModel):
    """A document of the study."""

    doc_id: str
    lang: str
    title: str
    text: str


class Hit(Document):
    """A document that was found; `parallel`: those in other languages with the same answers."""

    score: float
    parallel: list[Document]


class Answer(BaseModel):
    """What was found; `translations`: of the query, where it is one of the dataset's."""

    query: str
    strategy: str
    dataset: str
    translations: dict[str, str]
    results: list[Hit]


class Dataset(BaseModel):
    """A dataset that is searched."""

    name: str
    documents: int
    languages: list[str]


class Choices(BaseModel):
    """What can be searched: `ready` are the strategies whose index is there."""

    default: str
    strategies: list[str]
    ready: list[str]
    datasets: list[Dataset]


class Mistake(BaseModel):
    """Why a request was refused."""

    detail: str


_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {
        "model": Mistake,
        "description": "Something that is not there, or no text",
    },
    413: {"model": Mistake, "description": f"A body of more than {LARGEST_BODY:,} bytes"},
    422: {"model": Mistake, "description": "No JSON, or not what this description says"},
    409: {"model": Mistake, "description": "The study's files do not fit together, or lack"},
}


def application(searcher: Searcher, hosts: Sequence[str] = ("*",)) -> FastAPI:
    """Return the service of a study.

    `hosts`: the names that it answers to. Of a service on this machine alone they keep pages of
    others from reading it by a name of theirs that they let point here.
    """
    batcher = Batcher(searcher)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(batcher.close)

    app = FastAPI(
        title="polybatch search",
        version=__version__,
        description="Documents of a study, searched with its strategies.",
        lifespan=life,
        responses={413: _REFUSED[413]},
        docs_url=None,  # that page comes from a network
        redoc_url=None,
    )
    app.add_middleware(_Limit)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*hosts])
    app.add_exception_handler(InputError, _refuse)
    app.add_exception_handler(InputErrorList, _refuse)
    app.add_exception_handler(RequestValidationError, _explain)
    _add_search(app, batcher, searcher)
    _add_page(app)
    _name_choices(app, searcher)
    return app


def _name_choices(app: FastAPI, searcher: Searcher) -> None:
    """Write this study's strategies, datasets and languages into the description."""
    description = app.openapi()  # which FastAPI keeps
    asked = description["components"]["schemas"]["Asked"]["properties"]
    (dataset, _) = description["paths"]["/examples"]["get"]["parameters"]
    searched = searcher.config.used_for("evaluate")
    asked["strategy"]["anyOf"][0]["enum"] = searcher.strategies
    for place in (asked["dataset"], dataset["schema"]):
        place["anyOf"][0]["enum"] = list(searched)
    languages = sorted({lang for one in searched.values() for lang in one.languages})
    asked["languages"]["items"]["enum"] = languages


def _add_search(app: FastAPI, batcher: Batcher, searcher: Searcher) -> None:
    @app.post("/search", responses=_REFUSED)
    async def search(asked: Asked) -> Answer:
        """Return the best documents for a question in any language."""
        languages = tuple(asked.languages)
        request = Request(asked.query, asked.strategy, asked.dataset, languages, asked.k)
        return Answer(**await batcher.search(request))

    @app.get("/strategies", responses=_REFUSED)
    async def strategies() -> Choices:
        """Return what can be searched, and with what."""
        found: Choices = await batcher.call(lambda: _choices(searcher))
        return found

    @app.get("/examples", responses=_REFUSED)
    async def examples(
        dataset: str | None = None, count: Annotated[int, Query(ge=1, le=50)] = 5
    ) -> list[dict[str, str]]:
        """Return some questions of a dataset, to try."""
        found: list[dict[str, str]] = await batcher.call(
            lambda: searcher.pool(searcher.dataset_name(dataset)).examples(count)
        )
        return found

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Return that the service answers."""
        return {"status": "ok", "version": __version__}

    app.add_api_route("/health", health, methods=["HEAD"], include_in_schema=False)


def _choices(searcher: Searcher) -> Choices:
    pools = {name: searcher.pool(name) for name in searcher.datasets}
    return Choices(
        default=searcher.first_ready,
        strategies=searcher.strategies,
        ready=searcher.ready,
        datasets=[
            Dataset(name=name, documents=len(pool.doc_ids), languages=list(pool.languages))
            for name, pool in pools.items()
        ],
    )


def _add_page(app: FastAPI) -> None:
    def add(path: str, name: str) -> None:
        text = files("polybatch.search").joinpath("page", name).read_text(encoding="utf-8")
        kind = _TYPES[name.rpartition(".")[2]]

        async def page() -> Response:
            return Response(text, media_type=kind, headers=_SAFE)

        app.add_api_route(path, page, methods=["GET", "HEAD"], include_in_schema=False)

    add("/", "search.html")
    add("/search.css", "search.css")
    add("/search.js", "search.js")


async def _explain(_: HttpRequest, error: Exception) -> JSONResponse:
    """Say what does not fit the schema, without what was sent: it may be what JSON cannot hold."""
    assert isinstance(error, RequestValidationError)
    parts = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:10]]
    text = "; ".join(parts).encode("utf-8", "backslashreplace").decode()
    return JSONResponse({"detail": text[:2000]}, 422)


async def _refuse(_: HttpRequest, error: Exception) -> JSONResponse:
    """Answer 400 to what the client asked for wrongly, 409 where the study's files lack."""
    asked = ("query", "k", "strategy", "dataset", "language")
    theirs = isinstance(error, InputError) and error.where in asked
    return JSONResponse({"detail": str(error)}, 400 if theirs else 409)


class _Limit:
    """Refuse bodies that are too large, whatever their header says, and those that never end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body in one piece."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive)
        except TimeoutError:
            text = f"a body that was not there after {BODY_SECONDS:g} s"
            answer = JSONResponse({"detail": text}, 408, {"Connection": "close"})
            await answer(scope, receive, send)
            return
        if body is None:
            answer = JSONResponse({"detail": f"more than {LARGEST_BODY:,} bytes"}, 413)
            await answer(scope, receive, send)
            return
        await self._app(scope, _once(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    """Return the body; None if it is too large."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LARGEST_BODY:
            return None
    return body


def _once(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    given = [body]

    async def again() -> Message:
        if given:
            return {"type": "http.request", "body": given.pop(), "more_body": False}
        return await receive()

    return again
