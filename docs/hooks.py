"""What mkdocs needs beside the pages of docs/: README and CONTRIBUTING as pages, links that hold.

The pages are written to be read in the repository. On the site, a link to a file outside docs/ is
its text alone, and the graph in orchestration.md is the picture of README. `Examples` is what
mkdocstrings reads docstrings by.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "results/default.md": "results/compare.md",
}
"""Pages of the site that are files outside docs/."""

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")
_GRAPH = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are files outside docs/."""
    for name, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=_moved(text, name, source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keep links within the site; give the graph as a picture."""
    if page.file.src_uri == "orchestration.md":
        markdown = _GRAPH.sub("![The stages of dvc.yaml](img/pipeline.svg)", markdown)
    if page.file.src_uri in PAGES:
        return markdown
    return _LINK.sub(lambda link: _within(link, page.file.src_uri), markdown)


def _moved(text: str, name: str, source: str) -> str:
    """Return the text of a file of the repository's root as a page of the site's."""
    up = "../" * name.count("/")
    by_source = {file: page for page, file in PAGES.items()}

    def link(found: re.Match[str]) -> str:
        target = found[2]
        if target.startswith(("http:", "https:")):
            return found[0]
        if target.startswith("docs/"):
            return f"[{found[1]}]({up}{target.removeprefix('docs/')}{found[3] or ''})"
        return f"[{found[1]}]({up}{by_source[target]})" if target in by_source else found[1]

    return _LINK.sub(link, text).replace("](docs/img/", f"]({up}img/")


def _within(link: re.Match[str], page: str) -> str:
    """Return a link of a page in docs/; its text where it leads out of docs/."""
    target = link[2]
    if target.startswith(("http:", "https:")):
        return link[0]
    depth = page.count("/")
    return link[1] if target.startswith("../" * (depth + 1)) else link[0]


class Examples(griffe.Extension):
    """Reads `Example:` of our docstrings as the section that Google's style calls `Examples:`."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section of an object's docstring."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
