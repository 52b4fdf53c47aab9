"""Train exactly the rows of an embedding table that occur, at the cost of the rows a step touches.

The plan is known before training, so the rows that any batch uses are known too. `RowTable` keeps
those as a parameter of its own; `RowAdam` updates, in each step, only those of the step's batch,
with the result that dense Adam would have on the whole table.

Why that is exact: a row whose gradient is zero does not move under Adam when there is no first
moment (beta1 = 0) and no weight decay, and its second moment only shrinks by beta2 a step, which
can be made up for when the row is next used. With a first moment every row once touched moves in
every later step, and nothing could be left out (docs/decisions/rows.md has the figures).

Letters: V rows in the table, R rows that occur, D dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F  # noqa: N812
from transformers import PreTrainedModel

log = logging.getLogger(__name__)

BETA2 = 0.999


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


def average_rows(parameter: Tensor) -> None:
    """Replace a sparse gradient by its mean over all processes; DDP averages dense ones only."""
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return
    assert parameter.grad is not None
    gradient, world = parameter.grad.coalesce(), distributed.get_world_size()
    count = torch.tensor([gradient._nnz()], device=gradient.device)
    counts = [torch.empty_like(count) for _ in range(world)]
    distributed.all_gather(counts, count)
    most = int(max(counts))
    indices = _gathered(gradient.indices()[0], most, counts)
    values = _gathered(gradient.values(), most, counts) / world
    parameter.grad = torch.sparse_coo_tensor(
        indices[None], values, gradient.shape, check_invariants=False
    ).coalesce()


def _gathered(mine: Tensor, most: int, counts: list[Tensor]) -> Tensor:
    """Return the rows of all processes one after another; each sends `most`, zeros behind."""
    padded = mine.new_zeros(most, *mine.shape[1:])
    padded[: len(mine)] = mine
    all_of = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(all_of, padded)
    return torch.cat([each[: int(n)] for each, n in zip(all_of, counts, strict=True)])


class RowAdam(torch.optim.Adam):
    """Adam without weight decay; parameters with sparse gradients have no first moment.

    Dense gradients: torch.optim.Adam as it is. Sparse gradients: equal to dense Adam with betas
    (0, 0.999) on the whole parameter, at the cost of the rows in the gradient.
    """

    def __init__(self, params: Any, **named: Any) -> None:
        super().__init__(params, **named)
        # A loss scaler then skips the whole step itself, the rows' part too.
        self._step_supports_amp_scaling = False

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all parameters once."""
        sparse = [
            (group, parameter)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and parameter.grad.is_sparse
        ]
        for group, parameter in sparse:
            self._step_rows(parameter, group)
            parameter.grad = None
        loss: float | None = super().step(closure)
        return loss

    def _step_rows(self, parameter: Tensor, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
            # A float, as torch casts all state to the parameter's type when it is loaded.
            state["touched"] = torch.zeros(len(parameter), device=parameter.device)
        state["step"] += 1
        now = int(state["step"])
        gradient = parameter.grad.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        rested = (now - state["touched"][rows])[:, None].to(values.dtype)
        second = state["exp_avg_sq"][rows] * BETA2**rested
        second.addcmul_(values, values, value=1 - BETA2)
        state["exp_avg_sq"][rows] = second
        state["touched"][rows] = now
        scale = second.sqrt_().div_((1 - BETA2**now) ** 0.5).add_(group["eps"])
        parameter[rows] -= group["lr"] * values.div_(scale)


def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients, sparse ones too, to a global norm of at most `max_norm`.

    Returns the norm before. Same rule as torch.nn.utils.clip_grad_norm_, which refuses sparse
    gradients: factor = max_norm / (norm + 1e-6), never above 1.
    """
    gradients = []
    for parameter in parameters:
        if parameter.grad is not None:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
            gradients.append(_values(parameter.grad))
    if not gradients:
        return torch.tensor(0.0)
    norms = torch._foreach_norm(gradients)
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    factor = torch.clamp(max_norm / (norm + 1e-6), max=1.0)
    torch._foreach_mul_(gradients, factor)
    return norm


def _values(gradient: Tensor) -> Tensor:
    return gradient._values() if gradient.is_sparse else gradient
