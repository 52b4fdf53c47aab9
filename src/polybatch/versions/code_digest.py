"""Which files a stage's code is, and a digest that changes only when what it does may change.

A stage's code is its own file, all of this package that it imports, and the data files beside
those (templates, suites, registry.json). Comments, docstrings and layout are no part of the digest.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

STAGES = "polybatch_stages"
"""The package of stages; in the repository a link to the folder `stages`."""

OURS = ("polybatch", STAGES)
_SOURCES = "polybatch.sources.table"
_LENGTH = 12  # hexadecimal digits: enough to distinguish two versions of a stage's code


@cache
def package_folder(name: str) -> Path:
    """Return where one of our two packages is, without importing it.

    Example:
        >>> package_folder("polybatch").name
        'polybatch'
    """
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def stage_names() -> list[str]:
    """Return the names of all stages, sorted: one a file that is a program.

    Example:
        >>> [name for name in stage_names() if name.startswith("v")]
        ['validate']
    """
    paths = package_folder(STAGES).glob("[a-z]*.py")
    return sorted(path.stem for path in paths if "__main__" in path.read_text(encoding="utf-8"))


def code_files(module: str, without: frozenset[str] = frozenset()) -> set[Path]:
    """Return the files of a module, of all our modules that it imports, and their data files.

    `without`: modules whose own imports are not followed.
    """
    found: set[Path] = set()
    queue, seen = [module], set()
    while queue:
        name = queue.pop()
        path = _file(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        found.update({path}, _data_files(path))
        queue += _parents(name)
        if name not in without:
            queue += _imports(path, name)
    return found


def stage_files(stage: str) -> set[Path]:
    """Return the files that make up a stage's code.

    Example:
        >>> {path.name for path in stage_files("fuse")} >= {"fuse.py", "fusion.py", "errors.py"}
        True
    """
    return code_files(f"{STAGES}.{stage}")


def digest(files: set[Path]) -> str:
    """Return the digest of some of our files, by their place in the package and what they do."""
    total = hashlib.sha256()
    for name, path in sorted((_place(path), path) for path in files):
        total.update(f"{name} {_content(path)}\n".encode())
    return total.hexdigest()[:_LENGTH]


def stage_digests() -> dict[str, str]:
    """Return the digest of every stage, `download` once a source: `download.cldr`."""
    found = {name: digest(stage_files(name)) for name in stage_names() if name != "download"}
    shared = code_files(f"{STAGES}.download", frozenset({_SOURCES}))
    for source, value in importlib.import_module(_SOURCES).SOURCES.items():
        own = code_files(type(value).__module__, frozenset({_SOURCES}))
        found[f"download.{source}"] = digest(shared | own)
    return found


def _file(module: str) -> Path | None:
    first, *rest = module.split(".")
    path = package_folder(first).joinpath(*rest)
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((each for each in candidates if each.is_file()), None)


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def _place(path: Path) -> str:
    """Return a file's name below its package, the same wherever the package is."""
    for name in OURS:
        if path.is_relative_to(package_folder(name)):
            return f"{name}/{path.relative_to(package_folder(name)).as_posix()}"
    raise AssertionError(path)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path, module: str) -> tuple[str, ...]:
    """Return which of our modules one of them imports, `from a import b` as both `a` and `a.b`."""
    return tuple(each for each in _names(path, module) if each.split(".")[0] in OURS)


def _names(path: Path, module: str) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            name = ".".join([*base, node.module or ""]).strip(".") if node.level else node.module
            assert name is not None
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


@cache
def _data_files(path: Path) -> tuple[Path, ...]:
    """Return the data files beside a module that it names: a file, or all of a folder."""
    nodes = ast.walk(_tree(path))
    texts = {each.value for each in nodes if isinstance(each, ast.Constant)}
    found: list[Path] = []
    for beside in path.parent.iterdir():
        if beside.name in texts and beside.suffix != ".py":
            if beside.is_file():
                found.append(beside)
            elif not (beside / "__init__.py").is_file():
                found += [each for each in beside.rglob("*") if each.is_file()]
    return tuple(found)


@cache
def _content(path: Path) -> str:
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(_shown(_tree(path)).encode()).hexdigest()


def _shown(node: object) -> str:
    """Write a syntax tree the same way in every Python, without docstrings and the version.

    Example:
        >>> _shown(ast.parse("'Says.'; x = (1)  # one")) == _shown(ast.parse("x = 1"))
        True
    """
    if isinstance(node, list):
        return f"[{','.join(map(_shown, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        kept = _statements(node) if name == "body" and isinstance(value, list) else value
        if kept not in (None, []) and name not in ("kind", "type_comment", "ctx"):
            fields.append(f"{name}={_shown(kept)}")
    return f"{type(node).__name__}({','.join(fields)})"


def _statements(node: ast.AST) -> list[ast.stmt]:
    body: list[ast.stmt] = node.body  # type: ignore[attr-defined]
    return [each for each in body if not _is_text(each) and not _is_version(each)]


def _is_text(node: ast.stmt) -> bool:
    """Return whether a statement is only a text, as a docstring is: it does nothing."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_version(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
