"""A packaged encoder without sentence-transformers is the same as with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polybatch.core.files import sha256_of_folder
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.library import as_sentence_transformer
from polybatch.encoders.light import LightEncoder
from polybatch.encoders.use_multilingual import UseMultilingual

WORDS = [
    "the",
    "of",
    "a",
    "question",
    "document",
    "language",
    "currency",
    "answer",
    "東京",
    "ሰላም",
    "привет",
    "",
]
TEXTS = [" ".join(WORDS[i % 7 : i % 7 + i % 5] * (1 + i % 9)) for i in range(60)]


@pytest.fixture(scope="module")
def light() -> LightEncoder:
    return LightEncoder(
        UseMultilingual(48), prompts={"query": "search: ", "other": None}, similarity_fn_name="dot"
    )


@pytest.mark.parametrize("prompt", [None, "", "passage: "])
@pytest.mark.parametrize("name", [None, "query"])
def test_vectors_are_the_librarys_to_the_bit(
    light: LightEncoder, prompt: str | None, name: str | None
) -> None:
    light.default_prompt_name = name
    named = {"prompt": prompt, "batch_size": 7, "normalize_embeddings": True}
    library = as_sentence_transformer(light).encode(TEXTS, **named)
    np.testing.assert_array_equal(light.encode(TEXTS, prompt, 7, True), library)


def test_one_text_gives_one_vector(light: LightEncoder) -> None:
    np.testing.assert_array_equal(light.encode("one"), light.encode(["one"])[0])


def test_the_folder_is_the_librarys_to_the_byte(light: LightEncoder, tmp_path: Path) -> None:
    for name, encoder in (("ours", light), ("theirs", as_sentence_transformer(light))):
        (tmp_path / name).mkdir()
        save_checkpoint(encoder, tmp_path / name)
    assert sha256_of_folder(tmp_path / "ours") == sha256_of_folder(tmp_path / "theirs")
    again = open_checkpoint(tmp_path / "theirs")
    assert isinstance(again, LightEncoder)
    assert (again.prompts, again.similarity_fn_name) == (light.prompts, "dot")
    assert again.max_seq_length == 48


def test_training_shares_the_weights(light: LightEncoder) -> None:
    library = as_sentence_transformer(light)
    assert library[0] is light[0]
    assert library.state_dict().keys() == light.state_dict().keys()
    assert library.get_embedding_dimension() == light.get_embedding_dimension()
