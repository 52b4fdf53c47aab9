"""Adam (Kingma and Ba, arXiv 1412.6980) of the embedding rows that a step's batch touches.

Why that is exact: a row whose gradient is zero does not move under Adam when there is no first
moment (beta1 = 0) and no weight decay, and its second moment only shrinks by beta2 a step, which
can be made up for when the row is next used. With a first moment every row once touched moves in
every later step, and nothing could be left out (docs/decisions/rows.md has the reasons).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, distributed

BETA2 = 0.999


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

    Example:
        >>> rows = torch.zeros(3, 1, requires_grad=True)
        >>> rows.grad = torch.sparse_coo_tensor([[1]], [[2.0]], (3, 1), check_invariants=True)
        >>> RowAdam([rows], lr=0.1).step()
        >>> rows.detach().squeeze()
        tensor([ 0.0000, -0.1000,  0.0000])
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

    Example:
        >>> weight = torch.zeros(2, requires_grad=True)
        >>> weight.grad = torch.tensor([3.0, 4.0])
        >>> clip_gradients([weight], max_norm=1.0), weight.grad
        (tensor(5.), tensor([0.6000, 0.8000]))
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
