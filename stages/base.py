"""Write the encoder that every strategy starts from to models/start/base."""

from __future__ import annotations

from polybatch.core.files import whole_folder
from polybatch.encoders.checkpoints import save_checkpoint
from polybatch.encoders.load import load_encoder
from polybatch.settings.config import Config

from .common import START, run


def base(config: Config, _: str) -> str:
    """Save the encoder that params.yaml names, untrained, and return its name."""
    encoder = load_encoder(config.encoder)
    with whole_folder(START / "base") as folder:
        save_checkpoint(encoder, folder)
    return f"{config.encoder.name}, {encoder.get_embedding_dimension()} dimensions"


if __name__ == "__main__":
    run("base", base)
