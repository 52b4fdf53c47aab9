"""`polybatch search`: documents for a question, from a terminal."""

from __future__ import annotations

import argparse
import json
from typing import Any


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("query", help="the question, in any language")
    parser.add_argument("--strategy", help="default: study.focus of params.yaml")
    parser.add_argument("--dataset", help="default: the first that is evaluated")
    words = "language of the documents; may be repeated (default: all)"
    parser.add_argument("--lang", action="append", default=[], help=words)
    parser.add_argument("--k", type=int, default=10, help="how many documents (default: 10)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def work(chosen: argparse.Namespace) -> str:
    """Do it, and return what to print."""
    from polybatch.search.searcher import Request, Searcher

    request = Request(chosen.query, chosen.strategy, chosen.dataset, tuple(chosen.lang), chosen.k)
    answer = Searcher(chosen.folder).search(request)
    if chosen.json:
        return json.dumps(answer, ensure_ascii=False, indent=2)
    lines = [f"{answer['strategy']} on {answer['dataset']}: {len(answer['results'])} documents"]
    lines += [_line(number, one) for number, one in enumerate(answer["results"], 1)]
    return "\n".join(lines)


def _line(number: int, one: dict[str, Any]) -> str:
    text = " ".join(one["text"].split())
    also = ", ".join(f"{other['lang']} {other['doc_id']}" for other in one["parallel"])
    line = f"{number:>3}. {one['score']:.3f} [{one['lang']}] {text}  ({one['doc_id']})"
    return line + (f"\n     also in: {also}" if also else "")
