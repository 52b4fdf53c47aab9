"""One padding token for a tokenizer and its network.

Published checkpoints disagree: multilingual-e5-small's network calls row 0, the begin token, its
padding, and would never train it; its tokenizer pads with row 1. The tokenizer's word holds, as it
makes the inputs: it decides which row stays as it is, and from where RoBERTa counts positions.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from polybatch.core.errors import InputError

log = logging.getLogger(__name__)


def padding_settings(place: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what to change in the tokenizer's and in the network's settings: often nothing.

    InputError if neither names a padding token and there is no end token to take for it.
    """
    plain: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(place, **plain)
    config = AutoConfig.from_pretrained(place, **plain)
    rows = getattr(config.get_text_config(), "vocab_size", None)
    ours, networks = tokenizer.pad_token_id, getattr(config, "pad_token_id", None)
    if ours is None:
        return {"pad_token": _padding_token(place, tokenizer, networks)}, {}
    others = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id}
    shared = ours in others | {tokenizer.sep_token_id, tokenizer.unk_token_id}
    if ours == networks or (networks is None and shared) or (rows is not None and ours >= rows):
        return {}, {}
    if networks is not None:
        log.info(
            "%s: padding is row %d, as in its tokenizer; config.json says %s", place, ours, networks
        )
    return {}, {"pad_token_id": ours}


def _padding_token(place: Path, tokenizer: Any, networks: Any) -> str:
    if type(networks) is int and 0 <= networks < len(tokenizer):
        return str(tokenizer.convert_ids_to_tokens(networks))
    if networks is None and tokenizer.eos_token is not None:
        return str(tokenizer.eos_token)
    raise InputError(
        place,
        f"a tokenizer without a padding token, and 'pad_token_id': {networks} in config.json",
        "a padding token",
        "Name it as pad_token in tokenizer_config.json",
    )
