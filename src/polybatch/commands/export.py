"""`polybatch export`: a strategy as a folder that sentence-transformers loads, or its results."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("strategy", help="a strategy or merge")
    parser.add_argument("out", type=Path, metavar="DIR", help="a new folder")
    parser.add_argument("--seed", type=int, help="which training (default: the best)")
    words = "numbers of the weights: fp32 (default), fp16 or int8"
    parser.add_argument("--dtype", choices=("fp32", "fp16", "int8"), default="fp32", help=words)
    words = "points of AP that a language may lose by them (default: 0.5)"
    parser.add_argument("--max-loss", type=float, default=0.5, help=words)
    parser.add_argument("--replace", action="store_true", help="an earlier export there, at once")
    form = parser.add_mutually_exclusive_group()
    words = "also onnx/model.onnx, which onnxruntime runs (needs polybatch[onnx])"
    form.add_argument("--onnx", action="store_true", help=words)
    words = "write the scores, not the encoder, in the form of MTEB's results"
    form.add_argument("--results", choices=("mteb",), help=words)


def work(chosen: argparse.Namespace) -> str:
    """Do it, and return what to print."""
    from polybatch.reports.results_folder import Study

    study = Study(chosen.folder)
    if chosen.results:
        from polybatch.exports.mteb import write_results

        names = write_results(study, study.strategy(chosen.strategy), chosen.out)
        return "\n".join(str(chosen.out / name) for name in names)
    from polybatch.exports.export import Choice, export

    choice = Choice(chosen.seed, chosen.dtype, chosen.max_loss, chosen.replace, chosen.onnx)
    return export(study, chosen.strategy, chosen.out, choice)
