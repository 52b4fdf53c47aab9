"""A headless Chromium that counts what a page asks for and says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@dataclass
class Visit:
    """An open page, what it requested beside itself, and what its console said."""

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def chromium() -> str:
    """Return the installed Chromium, or skip: it is a system's program, not a package's."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if not found:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return found


@contextmanager
def visit(
    place: Path | str, width: int = 1280, height: int = 800, dark: bool = False
) -> Iterator[Visit]:
    """Open a file from disk, or an address here, and wait until the page says that it is ready."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=_QUIET)
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            offline=isinstance(place, Path),
        )
        found = Visit(context.new_page())
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.on("console", lambda message: found.said.append(message.text))
        found.page.on("pageerror", lambda error: found.said.append(str(error)))
        found.page.goto(place.resolve().as_uri() if isinstance(place, Path) else place)
        found.page.wait_for_selector("body[data-ready]", timeout=60_000)
        yield found
        browser.close()
