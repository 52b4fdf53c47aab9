"""Adapt the encoder to domain text: from models/start/base to models/start/dapt/<seed>.

Where no strategy starts from it, the folder holds a note that says so, and nothing is trained.
`torchrun --nproc-per-node N -m stages.dapt` shares every batch among N processes.
"""

from __future__ import annotations

import logging
from dataclasses import asdict

from polybatch.adaptation.corpus import domain_text
from polybatch.core.dataset import read_dataset
from polybatch.core.files import whole_folder, write_json, write_text
from polybatch.settings.adaptation import AdaptationSettings
from polybatch.settings.config import Config
from polybatch.versions.record import VERSIONS, read_versions

from .common import MODELS, RESULTS, START, VALID, known, log, run

_CURVES = RESULTS / "adaptation"
_NOTE = "No strategy of this study starts from adapted weights.\n"


def dapt(config: Config, seed: str) -> str:
    """Adapt as params.yaml says and write checkpoint, loss curve and budget."""
    known(list(map(str, config.study.seeds)), seed, "seed")
    settings = config.adaptation
    if settings is None:
        with whole_folder(START / "dapt" / seed) as folder:
            write_text(folder / "NOTE.txt", _NOTE)
        with whole_folder(_CURVES / seed) as folder:
            write_json(folder / "summary.json", None)
        return "nothing to adapt, as no strategy starts from dapt"
    return _adapt(config, settings, int(seed))


def _adapt(config: Config, settings: AdaptationSettings, seed: int) -> str:
    # Imported here: a study that adapts nothing should not wait for torch.
    from polybatch.adaptation.adapt import adapt
    from polybatch.adaptation.job import Job
    from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
    from polybatch.training.machine import (
        is_first_process,
        join_processes,
        leave_processes,
        make_deterministic,
    )

    join_processes()
    if not is_first_process():
        log.setLevel(logging.WARNING)
    make_deterministic(seed, config.study.threads)
    encoder = open_checkpoint(START / "base")
    texts = domain_text(
        [read_dataset(VALID / name) for name in settings.texts],
        [read_dataset(VALID / name) for name in config.used_for("evaluate")],
        settings,
    )
    log.info(
        "domain text: %d documents, %d held out; %d rows left out as evaluation has their text",
        texts.documents.height,
        texts.heldout.height,
        texts.removed,
    )
    curves, work = _CURVES / str(seed), MODELS / ".resume" / f".dapt-{seed}"
    version = read_versions(VERSIONS).numbers["dapt"]
    job = Job(encoder, texts, settings, config.encoder, seed, work, curves, version)
    summary = adapt(job)
    if is_first_process():
        write_json(curves / "summary.json", asdict(summary))
        with whole_folder(START / "dapt" / str(seed)) as folder:
            save_checkpoint(encoder, folder)
    leave_processes()
    return f"{settings.objective}, {summary.steps} steps, {summary.texts:,} texts"


if __name__ == "__main__":
    run("dapt", dapt, "seed")
