"""The exact names that the files of a checkpoint may use for classes and settings.

What is not listed here is refused before anything is loaded. Classes of ours are imported by this
module, so a file of the same name beside a checkpoint is never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from torch.nn import Module

from polybatch.encoders.shipped_code import EXPORTED
from polybatch.encoders.use_multilingual import UseMultilingual


def full_name(kind: type) -> str:
    """Return the name under which sentence-transformers saves a class.

    Example:
        >>> full_name(UseMultilingual)
        'polybatch.encoders.use_multilingual.UseMultilingual'
    """
    return f"{kind.__module__}.{kind.__name__}"


OURS = {**{full_name(kind): kind for kind in (UseMultilingual,)}, EXPORTED: UseMultilingual}
"""`type` in modules.json -> our class: an encoder of these alone needs no other library."""

_LIBRARY = "sentence_transformers.sentence_transformer.modules"
_THEIRS = {
    "Transformer": "transformer",
    "Pooling": "pooling",
    "Dense": "dense",
    "Normalize": "normalize",
    "LayerNorm": "layer_norm",
    "Dropout": "dropout",
    "WeightedLayerPooling": "weighted_layer_pooling",
    "CNN": "cnn",
    "LSTM": "lstm",
    "Router": "router",
    "Asym": "router",
}
"""Class of sentence-transformers -> the file that it is in."""


def _names_of(name: str, file: str) -> Iterator[str]:
    """Yield the names under which releases of sentence-transformers saved a module."""
    for package in (
        "sentence_transformers.models",
        "sentence_transformers.sentence_transformer.modules",
        "sentence_transformers.base.modules",
    ):
        yield f"{package}.{name}"
        yield f"{package}.{name}.{name}"  # version 2: a file a class, of the same name
        yield f"{package}.{file}.{name}"


MODULES: dict[str, str] = {
    **{name: full_name(kind) for name, kind in OURS.items()},
    **{
        each: f"{_LIBRARY}.{name if name != 'Asym' else 'Router'}"  # its name in version 4
        for name, file in _THEIRS.items()
        for each in _names_of(name, file)
    },
}
"""`type` in modules.json, or in a Router's configuration -> the class's place, imported when a
checkpoint has one. Add your own here."""


def class_of(name: str) -> type[Module]:
    """Return the class that MODULES lists under a name.

    Example:
        >>> class_of("polybatch.encoders.use_multilingual.UseMultilingual").__name__
        'UseMultilingual'
    """
    module, _, kind = MODULES[name].rpartition(".")
    found: type[Module] = getattr(import_module(module), kind)
    return found


_SIMPLE = (
    "Tanh ReLU ReLU6 LeakyReLU PReLU RReLU ELU SELU CELU GELU SiLU Mish Sigmoid LogSigmoid Hardtanh"
    " Hardswish Hardsigmoid Hardshrink Softplus Softshrink Softsign Tanhshrink"
)
ACTIVATIONS = frozenset(
    [f"{package}.{name}" for package in ("torch.nn.modules.activation", "torch.nn")
     for name in _SIMPLE.split()]
    + ["torch.nn.modules.linear.Identity", "torch.nn.Identity"]
)  # fmt: skip
"""`activation_function` of a Dense layer: element by element, made without arguments."""


def _flat(mapping: Mapping[str, Any]) -> set[str]:
    """Return the class names of a table of transformers: its values are names or tables."""
    found: set[str] = set()
    for value in mapping.values():
        if isinstance(value, Mapping):
            found |= _flat(value)
        elif isinstance(value, str):
            found.add(value)
    return found


_BACKENDS = {
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "TokenizersBackend",
    "SentencePieceBackend",
    "PythonBackend",
    "BloomTokenizerFast",
}
CLASS_KEYS = frozenset(
    {
        *("tokenizer_class", "slow_tokenizer_class", "fast_tokenizer_class", "processor_class"),
        *("image_processor_type", "image_processor_class", "feature_extractor_type"),
        *("feature_extractor_class", "video_processor_type", "video_processor_class", "__type"),
    }
)
"""Keys of a configuration, at any depth, whose value names a class."""


@cache
def class_names() -> dict[str, frozenset[str]]:
    """Return, by key of CLASS_KEYS, the class names that it may have: those transformers knows.

    Example:
        >>> known = class_names()["tokenizer_class"]
        >>> "XLMRobertaTokenizerFast" in known, "os.system" in known
        (True, False)
    """
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING_NAMES
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES
    from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING_NAMES

    tokenizers = frozenset(  # with the suffix of earlier releases
        name
        for each in _flat(TOKENIZER_MAPPING_NAMES) | _BACKENDS
        for name in (each, f"{each}Fast")
    )
    images = frozenset(
        name
        for each in _flat(IMAGE_PROCESSOR_MAPPING_NAMES)
        for name in (each, f"{each}Fast", each.removesuffix("Pil"))
    )
    features = frozenset(_flat(FEATURE_EXTRACTOR_MAPPING_NAMES)) | images
    videos = frozenset(_flat(VIDEO_PROCESSOR_MAPPING_NAMES))
    return {
        "tokenizer_class": tokenizers,
        "slow_tokenizer_class": tokenizers,
        "fast_tokenizer_class": tokenizers,
        "processor_class": frozenset(_flat(PROCESSOR_MAPPING_NAMES)) | tokenizers,
        "image_processor_type": images,
        "image_processor_class": images,
        "feature_extractor_type": features,
        "feature_extractor_class": features,
        "video_processor_type": videos,
        "video_processor_class": videos,
        "__type": frozenset({"AddedToken"}),
    }


_TYPES = frozenset({"auto", "float64", "float32", "float16", "bfloat16"})
_ATTENTION = frozenset({"eager", "sdpa", "flash_attention_2", "flash_attention_3"})
OTHER_NAMES: dict[str, frozenset[str]] = {
    "dtype": _TYPES | {f"torch.{name}" for name in _TYPES},
    "torch_dtype": _TYPES | {f"torch.{name}" for name in _TYPES},
    "attn_implementation": _ATTENTION,
    "_attn_implementation": _ATTENTION,
    "_attn_implementation_internal": _ATTENTION,
}
"""Key of a configuration at any depth -> values that name code of torch or of a kernel."""

NEVER = {
    "auto_map": "a model whose code comes with it",
    "custom_pipelines": "code that comes with the model",
    "custom_generate": "code that comes with the model",
    "trust_remote_code": "a request to run code",
    "code_revision": "code that comes with the model",
    "experts_implementation": "code from elsewhere",
    "transformers_weights": "weights under a name of its own",
    "quantization_config": "quantised weights, which cannot be trained",
}
"""Key of a configuration at any depth -> what it stands for."""

TRANSFORMER_SETTINGS: dict[str, frozenset[str] | None] = {
    **dict.fromkeys(
        (
            "max_seq_length", "do_lower_case", "transformer_task", "modality_config",
            "module_output_name", "processing_kwargs", "unpad_inputs", "query_length",
            "document_length", "query_expansion",
        )
    ),
    **dict.fromkeys(
        ("model_args", "model_kwargs"),
        frozenset({"dtype", "torch_dtype", "attn_implementation", "add_pooling_layer",
                   "low_cpu_mem_usage"}),
    ),
    **dict.fromkeys(
        ("tokenizer_args", "processor_kwargs"),
        frozenset({"model_max_length", "padding_side", "truncation_side", "use_fast",
                   "do_lower_case", "add_prefix_space", "add_eos_token", "add_bos_token",
                   "pad_token", "fix_mistral_regex", "clean_up_tokenization_spaces"}),
    ),
    **dict.fromkeys(("config_args", "config_kwargs"), frozenset({"is_causal", "use_cache"})),
}  # fmt: skip
"""Key of sentence_bert_config.json -> which keys its value may have; None where it is a value."""

TRANSFORMER_METHODS = frozenset({"forward", "get_text_features"})
"""`method` in a Transformer's modality_config: what is called on the network."""
