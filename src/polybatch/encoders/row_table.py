"""Train exactly the rows of an embedding table that occur, at the cost of the rows a step touches.

The plan is known before training, so the rows that any batch uses are known too. `RowTable` keeps
those as a parameter of its own; `training.row_adam` updates, in each step, only those of the step's
batch, with the result that dense Adam would have on the whole table.

Letters: V rows in the table, R rows that occur, D dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

log = logging.getLogger(__name__)


class RowTable(nn.Module):
    """An embedding table, (V, D), of which chosen rows train; the row `padding` is only read.

    Example:
        >>> table = RowTable(torch.eye(3))
        >>> table.choose([2, 0])
        >>> table(torch.tensor([2])).tolist(), table.rows.shape
        ([[0.0, 0.0, 1.0]], torch.Size([2, 3]))
    """

    table: Tensor
    place: Tensor

    def __init__(self, table: Tensor, padding: int | None = None) -> None:
        super().__init__()
        self.padding = padding
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("place", torch.empty(0, dtype=torch.long), persistent=False)
        self.rows = nn.Parameter(table.new_empty(0, table.shape[1]))
        self.chosen = torch.empty(0, dtype=torch.long)

    def choose(self, ids: Iterable[int]) -> None:
        """Make the rows `ids` the trainable ones; until `merge`, no other can be looked up."""
        also = () if self.padding is None else (self.padding,)
        self.chosen = torch.tensor(sorted({*ids, *also}), dtype=torch.long)
        # Others get a place that is none: a GPU would take -1 for the last row.
        self.place = torch.full((len(self.table),), len(self.table))
        self.place[self.chosen] = torch.arange(len(self.chosen))
        self.rows = nn.Parameter(self.table[self.chosen].clone())

    def merge(self) -> None:
        """Write the trained rows back, so that every row can be looked up again."""
        self.table[self.chosen] = self.rows.detach()
        self.chosen = self.chosen[:0]
        self.place = self.place[:0]
        self.rows = nn.Parameter(self.table.new_empty(0, self.table.shape[1]))

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (...). Returns (..., D)."""
        if not len(self.chosen):
            return F.embedding(ids, self.table)
        places = self.place[ids]
        if places.device.type == "cpu":  # a GPU would have to be waited for, and checks by itself
            assert bool((places < len(self.rows)).all()), "a token that the plan does not hold"
        return F.embedding(places, self.rows, self._padding_place, sparse=True)

    @property
    def _padding_place(self) -> int | None:
        if self.padding is None:
            return None
        return int(torch.searchsorted(self.chosen, self.padding))


@contextmanager
def trained_rows(encoder: nn.Module, ids: Iterable[int]) -> Iterator[list[RowTable]]:
    """Let the rows `ids` of an encoder's tables train within the block; merge them at its end.

    A transformer's word embedding becomes a RowTable for that time, and is an ordinary embedding
    again afterwards. One whose weights another part shares (an output layer over the vocabulary)
    is left dense: there every row has a gradient in every step.

    Example:
        >>> encoder = nn.Sequential(RowTable(torch.zeros(3, 2)))
        >>> with trained_rows(encoder, [1]) as (table,):
        ...     _ = table.rows.data.fill_(0.5)
        >>> encoder[0].table.tolist()
        [[0.0, 0.0], [0.5, 0.5], [0.0, 0.0]]
    """
    ids, swapped = set(ids), _swap(encoder)
    tables = [module for module in encoder.modules() if isinstance(module, RowTable)]
    for table in tables:
        table.choose(ids)
    try:
        yield tables
    finally:
        for table in tables:
            table.merge()
        for parent, name, embedding in swapped:
            embedding.weight = nn.Parameter(getattr(parent, name).table)
            setattr(parent, name, embedding)


def _swap(encoder: nn.Module) -> list[tuple[nn.Module, str, nn.Embedding]]:
    from transformers import PreTrainedModel  # takes seconds: who only encodes does without

    models = [module for module in encoder.modules() if isinstance(module, PreTrainedModel)]
    words = {id(model.get_input_embeddings()) for model in models}
    swapped = []
    for name, module in list(encoder.named_modules()):
        if id(module) in words and type(module) is nn.Embedding and _is_plain(module):
            if _uses(encoder, module.weight) > 1:
                log.info("%s is shared with an output layer and trains as a whole", name)
                continue
            path, _, last = name.rpartition(".")
            parent = encoder.get_submodule(path)
            setattr(parent, last, RowTable(module.weight.detach(), module.padding_idx))
            swapped.append((parent, last, module))
    return swapped


def _is_plain(embedding: nn.Embedding) -> bool:
    return (
        embedding.max_norm is None
        and not embedding.scale_grad_by_freq
        and embedding.weight.requires_grad
    )


def _uses(encoder: nn.Module, weight: Tensor) -> int:
    parameters = encoder.named_parameters(remove_duplicate=False)
    return sum(parameter is weight for _, parameter in parameters)
