"""Encoders from the hub or from a folder: found, checked, and given the pooling that was asked.

A name with a commit is fetched (or found in the hub's cache) first; from there on, a repository
is a folder like any other. Code that comes with weights is never run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Router,
    Transformer,
)
from torch import nn

from polybatch.core.errors import InputError
from polybatch.encoders.checkpoints import open_checkpoint
from polybatch.encoders.inspection import inspect_folder
from polybatch.encoders.library import as_sentence_transformer, load_transformer, quiet
from polybatch.encoders.loading import TRANSFORMER_FILES, loading
from polybatch.encoders.row_table import RowTable
from polybatch.encoders.tokens import count_tokens
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.encoder_rules import HUB_NAMES, is_hub_name

log = logging.getLogger(__name__)

_WANTED = ["*.json", "*.txt", "*.model", "*.safetensors"]
_UNWANTED = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]
_SENTENCE = ("modules.json", "1_Pooling/config.json")
_LENGTHS = ("query_length", "document_length")
_LABSE = "sentence-transformers/LaBSE"
_FILES = {_LABSE: ("2_Dense/config.json", "2_Dense/model.safetensors")}


def load(settings: EncoderSettings, folder: Path | None = None) -> SentenceTransformer:
    """Return the untrained encoder of a hub name or a folder, in float32 on the CPU.

    `folder`: where the files are, if not where `settings.name` says.

    Raises:
        InputError: files that are missing, name code, lack weights or have some that are no
            numbers, disagree with their tokenizer, have another pooling than `settings.pooling`,
            no position for `settings`' lengths, cut their vectors (`truncate_dim`), or do not give
            one vector per text.
    """
    folder = folder or folder_of(settings)
    if (folder / "modules.json").is_file():
        encoder = as_sentence_transformer(open_checkpoint(folder))
        _check_pooling(encoder, folder, settings)
    else:
        encoder = _with_pooling(folder, "cls" if settings.pooling == "cls" else "mean")
    _check_dimensions(encoder, folder)
    _check_weights(encoder, folder)
    _check_finite(encoder, folder)
    _check_vocabulary(encoder, folder)
    lengths = {f"encoder.{key}": getattr(settings, key) for key in _LENGTHS}
    check_positions(encoder, settings.name, lengths)
    _check_vectors(encoder, folder, settings)
    encoder.max_seq_length = settings.document_length
    encoder.prompts = {"query": settings.query_prompt, "document": settings.document_prompt}
    encoder.default_prompt_name = None
    return encoder


def transformer_of(encoder: SentenceTransformer) -> Any:
    """Return the transformers model inside an encoder, or None where there is none."""
    return encoder[0].model if isinstance(encoder[0], Transformer) else None


def folder_of(settings: EncoderSettings) -> Path:
    """Return the folder of a hub name (fetched if need be) or of a folder; InputError if none."""
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
    files = ", ".join((*TRANSFORMER_FILES, *own))
    return InputError(
        "encoder.name",
        f"no files of '{repository}' in the hub's cache, nor a way to the hub"
        f" ({type(error).__name__})",
        "a network, or the files in a folder",
        f"Unset HF_HUB_OFFLINE if it is set; without a network put {files} into a folder, such as"
        f" models/external/{repository.split('/')[-1]}, and give that folder as encoder.name with"
        " an empty encoder.revision",
    )


def _with_pooling(folder: Path, pooling: str) -> SentenceTransformer:
    inspect_folder(folder)
    quiet()
    with loading(folder):
        transformer = load_transformer(folder, "", saved=False)
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


def _check_dimensions(encoder: SentenceTransformer, folder: Path) -> None:
    """Refuse vectors that are cut when they are searched with: training would see them whole."""
    with encoder.truncate_embeddings(None):
        whole = encoder.get_embedding_dimension()
    if (cut := encoder.get_embedding_dimension()) != whole:
        raise InputError(
            folder / "config_sentence_transformers.json",
            f"truncate_dim {cut}, of vectors that training sees with {whole} dimensions",
            "vectors of one length in training and in search",
            "Set truncate_dim to null in a copy of the folder, and give that as encoder.name",
        )


def _has(encoder: SentenceTransformer, kind: type[nn.Module]) -> bool:
    return any(isinstance(module, kind) for module in encoder)


def _transformers(encoder: SentenceTransformer) -> list[Transformer]:
    """Return the transformers of an encoder, a Router's too, in the order of their folders."""
    return [module for module in encoder.modules() if isinstance(module, Transformer)]


def _check_weights(encoder: SentenceTransformer, folder: Path) -> None:
    """Refuse weights that are not in the files: transformers draws those at random."""
    parts = [each for part in inspect_folder(folder) for each in part.transformers()]
    for part, module in zip(parts, _transformers(encoder), strict=True):
        place = folder / part.path
        with loading(folder):
            _, info = type(module.model).from_pretrained(
                place,
                config=module.config,
                output_loading_info=True,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
        missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
        if missing:
            raise InputError(
                place,
                f"no weights for {len(missing)} parts ({', '.join(missing[:3])})",
                f"all weights of a {type(module.model).__name__}",
                "Fetch config.json and the weights of one and the same model",
            )


def _check_finite(encoder: SentenceTransformer, folder: Path) -> None:
    """Refuse weights that are NaN or infinite, in float32."""
    tables = {
        f"{name}.table": module.table
        for name, module in encoder.named_modules()
        if isinstance(module, RowTable)
    }
    for name, value in (encoder.state_dict() | tables).items():
        if value.is_floating_point() and (bad := int((~torch.isfinite(value)).sum())):
            raise InputError(
                folder,
                f"{bad} of {value.numel()} numbers of {name} that are NaN or infinite",
                "finite weights, in float32 too",
                "Fetch the weights again, or save them before the training that broke them",
            )


def _check_vocabulary(encoder: SentenceTransformer, folder: Path) -> None:
    for module in _transformers(encoder):
        highest = max(module.tokenizer.get_vocab().values(), default=0)
        rows = module.model.get_input_embeddings().num_embeddings
        if highest >= rows:
            raise InputError(
                folder,
                f"a tokenizer with ids up to {highest}, an embedding with {rows} rows",
                "a row for every id",
                "Take tokenizer and weights from the same model",
            )


def _check_vectors(encoder: SentenceTransformer, folder: Path, settings: EncoderSettings) -> None:
    """Refuse an encoder that cannot do with two texts what is asked of it with all."""
    texts = ["a", "a b c"]
    with loading(folder):
        count_tokens(encoder, texts, settings.query_length, settings.query_prompt)
        vectors = encoder.encode(texts, prompt="", show_progress_bar=False)
        shape, expected = vectors.shape, (len(texts), encoder.get_embedding_dimension())
    if shape != expected or not np.isfinite(vectors).all():
        raise InputError(
            folder,
            f"vectors of shape {shape}, {np.isfinite(vectors).mean():.0%} of their numbers finite",
            f"finite ones of shape {expected}",
            "Fetch config.json and the weights of each module again",
        )
    for router in (module for module in encoder.modules() if isinstance(module, Router)):
        if len(router.sub_modules) > 1:
            log.warning(
                "%s has the routes %s: polybatch takes '%s' for queries and documents alike",
                *(folder, ", ".join(router.sub_modules), router.default_route),
            )


def check_positions(encoder: SentenceTransformer, name: str, lengths: Mapping[str, int]) -> None:
    """Refuse a length that an encoder has no positions for. `lengths`: tokens, by key of params.

    Raises:
        InputError: such a length; `name` is the encoder's.
    """
    longest = _positions(transformer_of(encoder))
    for key, length in lengths.items():
        if longest is not None and length > longest:
            raise InputError(
                key,
                f"{length} tokens",
                f"at most the {longest} that '{name}' has positions for",
                "Lower it",
            )


def _positions(model: Any) -> int | None:
    """Return how many tokens a text may have; None where there is no such limit."""
    for module in model.modules() if model is not None else ():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, nn.Embedding):
            # RoBERTa's family counts positions from behind the padding id
            padding = -1 if table.padding_idx is None else table.padding_idx
            return int(table.num_embeddings - padding - 1)
    return None
