"""Encoders from the hub or from a folder: found, checked, and given the pooling that was asked.

A name with a commit is fetched (or found in the hub's cache) first; from there on, a repository
is a folder like any other. Code that comes with weights is never run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Transformer,
)
from torch import nn
from transformers import AutoModel

from polybatch.encoder_rules import HUB_NAMES, is_hub_name
from polybatch.encoders.checkpoints import open_checkpoint, quiet
from polybatch.errors import InputError
from polybatch.settings import EncoderSettings

_WANTED = ["*.json", "*.txt", "*.model", "*.safetensors"]
_UNWANTED = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]
_VOCABULARIES = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model", "vocab.txt")
_SENTENCE = ("modules.json", "1_Pooling/config.json")
_TRANSFORMER = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_LABSE = "sentence-transformers/LaBSE"
_FILES = {_LABSE: ("2_Dense/config.json", "2_Dense/model.safetensors")}
_FOREIGN = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError)
"""What loading another's files may raise when they are not what they claim to be."""


def load(settings: EncoderSettings) -> SentenceTransformer:
    """Return the untrained encoder of a hub name or a folder, in float32 on the CPU.

    InputError when its files are missing, run code of their own, lack weights, disagree with their
    tokenizer, have another pooling than `settings.pooling`, or no position for `settings`' lengths.
    """
    quiet()
    folder = _folder(settings)
    _refuse_code(folder)
    if (folder / "modules.json").is_file():
        encoder = _sentence_encoder(folder)
        _check_pooling(encoder, folder, settings)
    else:
        encoder = _with_pooling(folder, "cls" if settings.pooling == "cls" else "mean")
    _check_weights(encoder, folder)
    _check_vocabulary(encoder, folder)
    _check_lengths(encoder, settings)
    encoder.max_seq_length = settings.document_length
    encoder.prompts = {"query": settings.query_prompt, "document": settings.document_prompt}
    encoder.default_prompt_name = None
    return encoder


def transformer_of(encoder: SentenceTransformer) -> Any:
    """Return the transformers model inside an encoder, or None where there is none."""
    return encoder[0].model if isinstance(encoder[0], Transformer) else None


def _folder(settings: EncoderSettings) -> Path:
    if is_hub_name(settings.name):
        return _fetched(HUB_NAMES.get(settings.name, settings.name), settings.revision)
    folder = Path(settings.name).expanduser()
    if not folder.is_dir():
        raise InputError(
            "encoder.name",
            f"'{settings.name}'",
            f"a name polybatch knows, a name on the hub ({', '.join(HUB_NAMES)}, {_LABSE},"
            " intfloat/multilingual-e5-base, ...) or a folder",
            "Correct the name, or put the checkpoint's files into that folder",
        )
    return folder


def _fetched(repository: str, revision: str) -> Path:
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=_WANTED,
                ignore_patterns=_UNWANTED,
            )
        )
    except RevisionNotFoundError as error:
        raise InputError(
            "encoder.revision",
            f"'{revision}', which {repository} does not have",
            "a commit of that repository",
            "Copy it from the repository's list of commits",
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(
            "encoder.name",
            f"'{repository}', which the hub does not have or does not show",
            "a public repository",
            "Correct the name",
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise _offline(repository, error) from error


def _offline(repository: str, error: Exception) -> InputError:
    own = () if repository in HUB_NAMES.values() else (*_SENTENCE, *_FILES.get(repository, ()))
    files = ", ".join((*_TRANSFORMER, *own))
    return InputError(
        "encoder.name",
        f"no files of '{repository}' in the hub's cache, nor a way to the hub"
        f" ({type(error).__name__})",
        "a network, or the files in a folder",
        f"Unset HF_HUB_OFFLINE if it is set; without a network put {files} into a folder, such as"
        f" models/external/{repository.split('/')[-1]}, and give that folder as encoder.name with"
        " an empty encoder.revision",
    )


def _refuse_code(folder: Path) -> None:
    for path in sorted(folder.glob("**/*config*.json")):
        if "auto_map" in _read(path):
            raise InputError(
                path,
                "'auto_map': a model whose code comes with it",
                "a model that transformers itself knows",
                "Choose another encoder; polybatch runs no code that comes with weights",
            )


def _read(path: Path) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            path, f"no readable JSON ({error})", "JSON in UTF-8", "Fetch the file again"
        ) from error
    return value if isinstance(value, dict) else {}


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Say of a folder what loading it raised; fix what transformers draws for absent heads."""
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            yield
    except InputError:
        raise
    except _FOREIGN as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise InputError(
            folder,
            f"no loadable encoder ({type(error).__name__}: {first[:200]})",
            "a folder saved by sentence-transformers or by transformers, weights as safetensors",
            f"Look for its files ({', '.join(_TRANSFORMER)}) and fetch what is missing",
        ) from error


def _sentence_encoder(folder: Path) -> SentenceTransformer:
    with _told(folder):
        return open_checkpoint(folder)


def _with_pooling(folder: Path, pooling: str) -> SentenceTransformer:
    with _told(folder):
        if not (folder / "config.json").is_file():
            raise FileNotFoundError("config.json is missing")
        transformer = Transformer(
            str(folder),
            model_kwargs={"dtype": torch.float32, "use_safetensors": True},
            **{f"{kind}_kwargs": {"local_files_only": True} for kind in ("config", "processor")},
        )
        pool = Pooling(transformer.get_embedding_dimension(), pooling_mode=pooling)
        return SentenceTransformer(modules=[transformer, pool, Normalize()], device="cpu")


def _check_pooling(encoder: SentenceTransformer, folder: Path, settings: EncoderSettings) -> None:
    found = [module.pooling_mode for module in encoder if isinstance(module, Pooling)]
    if settings.pooling != "as-saved" and found != [settings.pooling]:
        raise InputError(
            "encoder.pooling",
            f"'{settings.pooling}', but {folder} was saved with {found or 'no pooling'}",
            "the pooling it was trained with",
            "Write pooling: as-saved",
        )
    if Path(settings.name).name == "LaBSE" and (found != ["cls"] or not _has(encoder, Dense)):
        raise InputError(
            folder,
            f"pooling {found} and modules {[type(module).__name__ for module in encoder]}",
            "CLS, a dense layer with tanh, unit length",
            f"Fetch {', '.join((*_SENTENCE, *_FILES[_LABSE]))} again",
        )


def _has(encoder: SentenceTransformer, kind: type[nn.Module]) -> bool:
    return any(isinstance(module, kind) for module in encoder)


def _check_weights(encoder: SentenceTransformer, folder: Path) -> None:
    """Refuse weights that are not in the files: transformers draws those at random."""
    if transformer_of(encoder) is None:
        return
    place = folder
    if (folder / "modules.json").is_file():
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        place = folder / modules[0]["path"]
    with _told(folder):
        _, info = AutoModel.from_pretrained(
            place, output_loading_info=True, local_files_only=True, use_safetensors=True
        )
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if missing:
        raise InputError(
            place,
            f"no weights for {len(missing)} parts ({', '.join(missing[:3])})",
            f"all weights of a {type(transformer_of(encoder)).__name__}",
            "Fetch config.json and the weights of one and the same model",
        )


def _check_vocabulary(encoder: SentenceTransformer, folder: Path) -> None:
    model = transformer_of(encoder)
    if model is None:
        return
    if not any(path.name in _VOCABULARIES for path in folder.rglob("*")):
        raise InputError(
            folder, "no tokenizer", f"one of {', '.join(_VOCABULARIES)}", "Fetch the missing file"
        )
    highest = max(encoder.tokenizer.get_vocab().values())
    rows = model.get_input_embeddings().num_embeddings
    if highest >= rows:
        raise InputError(
            folder,
            f"a tokenizer with ids up to {highest}, an embedding with {rows} rows",
            "a row for every id",
            "Take tokenizer and weights from the same model",
        )


def _check_lengths(encoder: SentenceTransformer, settings: EncoderSettings) -> None:
    longest = _positions(transformer_of(encoder))
    for key in ("query_length", "document_length"):
        length = getattr(settings, key)
        if longest is not None and length > longest:
            raise InputError(
                f"encoder.{key}",
                f"{length} tokens",
                f"at most the {longest} that '{settings.name}' has positions for",
                "Lower it",
            )


def _positions(model: Any) -> int | None:
    """Return how many tokens a text may have; None where there is no such limit."""
    for module in model.modules() if model is not None else ():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, nn.Embedding):
            # RoBERTa's family counts positions from behind the padding id
            return int(table.num_embeddings - (table.padding_idx or -1) - 1)
    return None
