"""Changes of files for the fuzz: of their bytes, their lines and cells, their JSON values."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

PIECES = (
    *(b"\0", b'"', b"'", b'""', b"\n", b"\r", b"\r\n", b"\t", b",", b";", b"\x1a", b"\x1b[2J"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xed\xa0\x80", b"\xff", b"\\ud800", b"\\u0000"),
    *("\u2028".encode(), "\u202e".encode(), "\U0010ffff".encode(), b"{", b"[", b"]", b"&", b"<"),
    *(b"<!DOCTYPE x>", b"&amp;", b"*a", b"&a ", b"!!python/object", b"%", b": ", b"- ", b"1e999"),
    *(b"9" * 5000, b"[" * 20_000, b'{"a":' * 20_000, b" " * 5000, b"-0", b"NaN", b"null"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**31, -(2**63) - 1, 10**400, 1e308, float("nan"), ""),
    *(
        float("inf"),
        " ",
        "\0",
        "\ud800",
        "a\udfffb",
        "\ufeff",
        [],
        {},
        [[]],
        {"": None},
        "x" * 9000,
    ),
    *(["x"], {"text": "x"}, "en", "../x", "\u2028", "e\u0301", "own.Module"),
)
Change = Callable[[random.Random, bytes], bytes]


def _place(rng: random.Random, content: bytes) -> int:
    return rng.randint(0, len(content))


def _flip(rng: random.Random, content: bytes) -> bytes:
    held = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 20)) if held else 0):
        held[rng.randrange(len(held))] ^= 1 << rng.randrange(8)
    return bytes(held)


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def _remove(rng: random.Random, content: bytes) -> bytes:
    start = _place(rng, content)
    return content[:start] + content[start + rng.choice((1, 2, 10, 100)) :]


def _insert(rng: random.Random, content: bytes) -> bytes:
    place = rng.choice((0, _place(rng, content), _place(rng, content), len(content)))
    return content[:place] + rng.choice(PIECES) + content[place:]


def _repeat(rng: random.Random, content: bytes) -> bytes:
    found = content.splitlines(keepends=True) or [b""]
    place = rng.randrange(len(found))
    return b"".join(
        [*found[:place], *[found[place]] * rng.choice((2, 3, 300)), *found[place + 1 :]]
    )


def _reorder(rng: random.Random, content: bytes) -> bytes:
    found = content.splitlines(keepends=True)
    rng.shuffle(found)
    return b"".join(found)


def _swap(rng: random.Random, content: bytes) -> bytes:
    """Swap, drop or repeat columns, in all lines or in one."""
    mark = max((b",", b"\t", b" "), key=content.count)
    found = [line.split(mark) for line in content.split(b"\n")]
    one, other = rng.randrange(6), rng.randrange(6)
    chosen = found if rng.random() < 0.5 else [rng.choice(found)]
    for cells in chosen:
        if max(one, other) < len(cells):
            cells[one], cells[other] = cells[other], rng.choice((cells[one], cells[other], b""))
    return b"\n".join(mark.join(cells) for cells in found)


def _encode(rng: random.Random, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-8-sig", "latin-1", "utf-32")), "replace")


def _ends(rng: random.Random, content: bytes) -> bytes:
    return content.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"", b"\n\r", b"\0\n")))


def _number(rng: random.Random, content: bytes) -> bytes:
    digits = rng.choice(b"0123456789").to_bytes()
    return content.replace(digits, rng.choice((b"9" * 400, b"-1", b"1e400", b"x", b"0x1F", b"")))


def mutated_bytes(rng: random.Random, content: bytes) -> bytes:
    """Return a file with bits flipped, parts removed or put in, or its end cut off."""
    return _changed(rng, content, (_flip, _cut, _remove, _insert))


def mutated_text(rng: random.Random, content: bytes) -> bytes:
    """Return a text with lines, columns, numbers, line ends or its encoding changed."""
    few = (_insert, _insert, _repeat, _reorder, _swap, _swap, _encode, _ends, _number, _remove)
    return _changed(rng, content, few)


def _changed(rng: random.Random, content: bytes, changes: tuple[Change, ...]) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = rng.choice(changes)(rng, content)
    return content


def mutated_json(rng: random.Random, content: bytes) -> bytes:
    """Return JSON (or JSON lines) in which values, at any depth, are others or are gone."""
    try:
        texts = [json.dumps(json.loads(content))]
    except json.JSONDecodeError:  # one value per line, whatever the file is called
        texts = content.decode().splitlines()
    for place in rng.sample(range(len(texts)), min(len(texts), rng.choice((1, 1, 3)))):
        value = _other(rng, json.loads(texts[place]))
        texts[place] = json.dumps(value, ensure_ascii=rng.random() < 0.8)
    return "\n".join([*texts, ""]).encode("utf-8", "surrogatepass")


def _other(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.15:
            return {name: each for name, each in value.items() if name != key}
        return value | {key: _other(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        again = rng.choice(((), (value[place],)))
        return [*value[:place], _other(rng, value[place]), *again, *value[place + 1 :]]
    if rng.random() < 0.1:
        for _ in range(rng.choice((3, 400))):
            value = [value]
        return value
    return rng.choice(VALUES)
