"""The commands and blocks of the documents, found and put into a form that can be looked up."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PROGRAM = re.compile(
    r"(?:[A-Z_]+=\S+ )?(?:\.venv/bin/)?"
    r"(?:make|dvc|git|prefect|python|polybatch|pip|ray|torchrun|ir_measures|pre-commit|unset|mkdir"
    r"|cat) \S"
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"^([^\n]*<<'(\w+)'[^\n]*\n.*?^\2)$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s+(?:# |\(in the ).*$")  # prefect.yaml says where in parentheses


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language and its text."""

    file: str
    language: str
    text: str


def pages() -> dict[str, str]:
    """Return every Markdown file of the repository, and the comments of prefect.yaml."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    own = (name for name in listed if not (ROOT / name).is_symlink())
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in own}
    yaml = (ROOT / "prefect.yaml").read_text(encoding="utf-8").splitlines()
    texts["prefect.yaml"] = "\n".join(line[2:] for line in yaml if line.startswith("# "))
    return texts


def blocks() -> list[Block]:
    """Return the fenced blocks of all pages."""
    return [
        Block(name, *found.groups())
        for name, text in pages().items()
        for found in _FENCE.finditer(text)
    ]


def commands() -> dict[str, list[str]]:
    """Return {command: files that show it}: of blocks, indented lines and inline code."""
    found: dict[str, list[str]] = {}
    for block in blocks():
        if block.language in ("", "sh"):
            for command in _of_shell(block.text):
                found.setdefault(command, []).append(block.file)
    for name, text in pages().items():
        prose = _FENCE.sub("", text)
        lines = [line.strip() for line in prose.splitlines() if re.match(r" {2,4}\S", line)]
        inline = re.findall(r"`([^`\n]+)`", prose)
        for line in [*(line for line in lines if "`" not in line), *inline]:
            for command in _of_line(line):
                found.setdefault(command, []).append(name)
    return found


def _of_shell(text: str) -> Iterator[str]:
    for match in _HEREDOC.finditer(text):
        yield match[1]
    for line in _HEREDOC.sub("", text).splitlines():
        yield from _of_line(line)


def _of_line(line: str) -> Iterator[str]:
    if _PROGRAM.match(line):
        for part in _COMMENT.sub("", line).split(" && "):
            yield part.strip().removeprefix(".venv/bin/")
