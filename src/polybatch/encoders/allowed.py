"""The exact names that the files of a checkpoint may use for classes and settings.

What is not listed here is refused before anything is loaded. Classes of ours are imported by this
module, so a file of the same name beside a checkpoint is never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sentence_transformers.sentence_transformer import modules
from torch.nn import Module
from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING_NAMES
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES
from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING_NAMES

from polybatch.encoders.use_multilingual import UseMultilingual


def full_name(kind: type) -> str:
    """Return the name under which sentence-transformers saves a class.

    Example:
        >>> full_name(UseMultilingual)
        'polybatch.encoders.use_multilingual.UseMultilingual'
    """
    return f"{kind.__module__}.{kind.__name__}"


_OURS = (UseMultilingual,)
_THEIRS = (
    "Transformer",
    "Pooling",
    "Dense",
    "Normalize",
    "LayerNorm",
    "Dropout",
    "WeightedLayerPooling",
    "CNN",
    "LSTM",
    "Router",
    "Asym",
)


def _names_of(name: str) -> Iterator[str]:
    """Yield the names under which releases of sentence-transformers saved a module."""
    file = full_name(getattr(modules, name)).split(".")[-2]
    for package in (
        "sentence_transformers.models",
        "sentence_transformers.sentence_transformer.modules",
        "sentence_transformers.base.modules",
    ):
        yield f"{package}.{name}"
        yield f"{package}.{name}.{name}"  # version 2: a file a class, of the same name
        yield f"{package}.{file}.{name}"


MODULES: dict[str, type[Module]] = {
    **{full_name(kind): kind for kind in _OURS},
    **{each: getattr(modules, name) for name in _THEIRS for each in _names_of(name)},
}
"""`type` in modules.json, or in a Router's configuration -> the class. Add your own here."""

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
TOKENIZERS = frozenset(
    name for each in _flat(TOKENIZER_MAPPING_NAMES) | _BACKENDS for name in (each, f"{each}Fast")
)
"""`tokenizer_class`: what transformers itself knows, with the suffix of earlier releases."""

_PROCESSORS = frozenset(_flat(PROCESSOR_MAPPING_NAMES))
_IMAGES = frozenset(
    name
    for each in _flat(IMAGE_PROCESSOR_MAPPING_NAMES)
    for name in (each, f"{each}Fast", each.removesuffix("Pil"))
)
CLASS_NAMES: dict[str, frozenset[str]] = {
    "tokenizer_class": TOKENIZERS,
    "slow_tokenizer_class": TOKENIZERS,
    "fast_tokenizer_class": TOKENIZERS,
    "processor_class": _PROCESSORS | TOKENIZERS,
    "image_processor_type": _IMAGES,
    "image_processor_class": _IMAGES,
    "feature_extractor_type": frozenset(_flat(FEATURE_EXTRACTOR_MAPPING_NAMES)) | _IMAGES,
    "feature_extractor_class": frozenset(_flat(FEATURE_EXTRACTOR_MAPPING_NAMES)) | _IMAGES,
    "video_processor_type": frozenset(_flat(VIDEO_PROCESSOR_MAPPING_NAMES)),
    "video_processor_class": frozenset(_flat(VIDEO_PROCESSOR_MAPPING_NAMES)),
    "__type": frozenset({"AddedToken"}),
}
"""Key of a configuration at any depth -> the class names that it may have."""

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
