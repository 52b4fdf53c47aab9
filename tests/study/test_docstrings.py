"""What docstrings of public functions say: the errors they raise, and shapes or an example."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "polybatch"
FILES = sorted(PACKAGE.rglob("*.py"))
SHARE = 0.6
"""Of public functions, how many say more than a sentence: 37% at 0.1.0."""

FACTS = re.compile(
    r">>> |Raises:|Error\b"  # an example, an error
    r"|\([A-Z](, [A-Z]+)*,?\)|\{[^}]+: [^}]+\}|\b[A-Z]{4,}\b"  # a shape, a dictionary's, a schema
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
CLASSES = {
    node.name: node
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef)
}
MADE_BY = {
    node.name: ast.unparse(node.returns).strip("\"'")
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, Function) and node.returns
}
"""Of functions that make an error, its class."""

LANGUAGE = {"ABC", "Protocol", "NamedTuple", "Exception", "Generic"}


def _public(path: Path) -> Iterator[tuple[str, Function]]:
    """Yield the functions of a file and the methods of its classes that callers may use.

    A property is a value, and a method that a base class documents keeps its contract: neither is
    counted.
    """
    for node in TREES[path].body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, Function) and not (
                    method.name.startswith("_")
                    or _is_property(method)
                    or _is_inherited(node, method.name)
                ):
                    yield f"{node.name}.{method.name}", method


def _is_property(method: Function) -> bool:
    return any("property" in ast.unparse(each) for each in method.decorator_list)


def _is_inherited(owner: ast.ClassDef, name: str) -> bool:
    """Return whether a base class has the method; libraries' classes are taken to have it."""
    for base in {re.split(r"[\[(]", ast.unparse(each))[0] for each in owner.bases} - LANGUAGE:
        if base not in CLASSES or name in {
            getattr(each, "name", "") for each in CLASSES[base].body
        }:
            return True
        if _is_inherited(CLASSES[base], name):
            return True
    return False


def _raised(node: ast.AST) -> Iterator[str]:
    """Yield the names of the classes raised in a function itself, not in those inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            name = ast.unparse(child.exc.func).rpartition(".")[2]
            if (error := MADE_BY.get(name, name)) != "Exception":
                yield error
        yield from _raised(child)


def test_public_functions_name_the_errors_that_they_raise() -> None:
    missing = [
        f"{path.relative_to(PACKAGE)}: {name} raises {error}"
        for path in FILES
        for name, function in _public(path)
        for error in sorted(set(_raised(function)))
        if error not in (ast.get_docstring(function) or "")
    ]
    assert not missing, "\n".join(missing)


def test_most_public_functions_have_an_example_or_state_shapes_or_errors() -> None:
    functions = {
        f"{path.relative_to(PACKAGE)}: {name}": node
        for path in FILES
        for name, node in _public(path)
    }
    stating = {
        name for name, node in functions.items() if FACTS.search(ast.get_docstring(node) or "")
    }
    missing = "\n".join(sorted(functions.keys() - stating))
    assert len(stating) / len(functions) >= SHARE, missing
