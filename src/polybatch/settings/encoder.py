"""The section `encoder` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from polybatch.settings.data import NO_FOLDER
from polybatch.settings.types import (
    EXACT,
    in_range,
)


@dataclass(frozen=True, config=EXACT)
class EncoderSettings:
    """The encoder that every strategy starts from; lengths in its own tokens, prompts included.

    `revision`: commit on the hub, empty for packages and folders. `pooling`: `as-saved` keeps what
    the checkpoint has (mean where it has none). Prompts stand before each text; empty for none.
    `precision`: of the products when texts are encoded; bf16 is faster where a processor has it.
    `folder`: the same as `name` where that is a folder, so that DVC sees when its files change;
    else `inputs/none`.
    """

    name: str
    revision: str
    pooling: Literal["as-saved", "mean", "cls"]
    query_prompt: str
    document_prompt: str
    query_length: Annotated[int, in_range(4, 8192)]
    document_length: Annotated[int, in_range(4, 8192)]
    batch_texts: Annotated[int, in_range(1, 65536)]
    precision: Literal["fp32", "bf16"]
    folder: str = NO_FOLDER

    def of(self, side: Literal["query", "document"]) -> tuple[int, str]:
        """Return length and prompt of one side, as encoding and counting take them.

        Example:
            >>> e5 = EncoderSettings("e5", "", "as-saved", "query: ", "", 64, 160, 32, "fp32")
            >>> e5.of("query")
            (64, 'query: ')
        """
        if side == "query":
            return self.query_length, self.query_prompt
        return self.document_length, self.document_prompt
