"""A strategy's checkpoint as a folder to hand on: weights, code, card; whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from polybatch import __version__
from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of_folder, whole_folder, write_json, write_text
from polybatch.encoders.checkpoints import open_checkpoint
from polybatch.encoders.export import DType, write_export
from polybatch.encoders.light import Encoder
from polybatch.encoders.onnx_encoder import OnnxEncoder
from polybatch.encoders.onnx_graph import FILE, check_packages, write_graph
from polybatch.exports.card import model_card
from polybatch.exports.loss import loss_table, losses, refuse_losses
from polybatch.exports.onnx_section import onnx_section
from polybatch.reports.results_folder import Study
from polybatch.settings.study import Trial

_MARK = "polybatch.json"
"""Says what an export is of, and that it is one: only such a folder is replaced."""


@dataclass(frozen=True)
class Choice:
    """What to export: None is the seed with the best scores. `max_loss`: in points of AP.

    `replace`: put it in the place of an earlier export, which stays until the new one is whole.
    `onnx`: also write the encoder as a graph that onnxruntime runs.
    """

    seed: int | None = None
    dtype: DType = "fp32"
    max_loss: float = 0.5
    replace: bool = False
    onnx: bool = False


def export(study: Study, strategy: str, folder: Path, choice: Choice) -> str:
    """Write a strategy's checkpoint with its card into a new folder; return the losses.

    Raises:
        InputError: the folder exists, the strategy has no checkpoint, its numbers lose more than
            `choice.max_loss` in a language, or ONNX is wanted and its packages are missing.
    """
    if choice.onnx:
        check_packages()
    ours = choice.replace and (folder / _MARK).is_file() and not folder.is_symlink()
    if not ours and (folder.exists() or folder.is_symlink()):
        expected = "a new folder" + ", or an earlier export" * choice.replace
        raise InputError(folder, "something there already", expected, "Name another")
    trial = chosen_trial(study, strategy, choice.seed)
    settings = study.config.encoder
    lengths = [settings.of(side)[0] for side in ("query", "document")]
    prompts = {side: settings.of(side)[1] for side in ("query", "document")}
    encoder = open_checkpoint(study.folder / "models" / trial.path)
    with whole_folder(folder) as temporary:
        write_export(encoder, temporary, choice.dtype, prompts, max(lengths))
        exported = open_checkpoint(temporary)
        saved = f"the numbers saved here ({choice.dtype})"
        tables, sections = {saved: _checked(study, trial, exported, choice)}, list[str]()
        if choice.onnx:
            write_graph(exported, temporary, half=choice.dtype != "fp32")
            graph = OnnxEncoder(exported, temporary)
            tables[FILE] = _checked(study, trial, graph, choice)
            sections.append(onnx_section(exported, graph.inputs, max(lengths)))
        card = model_card(study, trial, choice.dtype, tables, sections)
        write_text(temporary / "README.md", card)
        write_json(temporary / _MARK, _origin(study, trial, choice))
    changes = (f"AP against the checkpoint's, {name}:\n\n{tables[name]}" for name in tables)
    return "\n\n".join([f"{trial.path} as {choice.dtype} in {folder}", *changes])


def _origin(study: Study, trial: Trial, choice: Choice) -> dict[str, str]:
    checkpoint = sha256_of_folder(study.folder / "models" / trial.path)
    return {
        "study": study.config.study.name,
        "training": trial.path.as_posix(),
        "dtype": choice.dtype,
        "checkpoint_sha256": checkpoint,
        "polybatch": __version__,
    }


def chosen_trial(study: Study, strategy: str, seed: int | None) -> Trial:
    """Return the trial of a seed, or the one that scored best; InputError without a checkpoint."""
    arm = study.config.arms[study.strategy(strategy)]
    if arm.section not in ("strategies", "merges"):
        raise InputError(
            "strategy",
            f"'{strategy}', of the section {arm.section}",
            "one of the sections strategies and merges, which have a checkpoint",
            f"Export one that it is made of: {', '.join(arm.parts) or 'it has none'}",
        )
    trials = study.config.trials_of(strategy)
    if seed is None:
        return max(trials, key=lambda trial: (_mean(study, trial), -trial.seed))
    for trial in trials:
        if trial.seed == seed:
            return trial
    seeds = ", ".join(str(trial.seed) for trial in trials)
    raise InputError("--seed", str(seed), f"one of {seeds}", "Choose one")


def _mean(study: Study, trial: Trial) -> float:
    """Return the mean of the study's headline measure over datasets and settings."""
    scores = study.json("metrics", f"{trial.path.as_posix()}.json")
    measure = study.config.evaluation.headline
    values: list[float] = [
        one[measure] for settings in scores.values() for one in settings.values()
    ]
    return sum(values) / len(values)


def _checked(study: Study, trial: Trial, exported: Encoder | OnnxEncoder, choice: Choice) -> str:
    """Return what an exported encoder loses, as Markdown; InputError if that is too much."""
    found = pl.concat(
        losses(
            exported,
            study.config.encoder,
            study.dataset(name),
            study.folder / "data" / "index" / trial.path / name,
        )
        for name in study.config.used_for("evaluate")
    )
    refuse_losses(found, choice.max_loss)
    return loss_table(found)
