"""Training only the rows that occur equals dense training of the whole table."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from polybatch.encoders.row_table import RowTable
from polybatch.training.row_adam import RowAdam, clip_gradients

VOCABULARY, WIDTH = 50, 4


class _Dense(nn.Module):
    """The same small network on a dense table, trained by torch's own Adam."""

    def __init__(self, table: torch.Tensor, head: torch.Tensor) -> None:
        super().__init__()
        self.table, self.head = nn.Parameter(table.clone()), nn.Parameter(head.clone())

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.table[ids]) @ self.head


class _Rows(nn.Module):
    def __init__(self, table: torch.Tensor, head: torch.Tensor, ids: list[int]) -> None:
        super().__init__()
        self.embedding, self.head = RowTable(table.clone()), nn.Parameter(head.clone())
        self.embedding.choose(ids)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.embedding(ids)) @ self.head


def _train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[list[int]],
    max_norm: float,
    clip: object,
) -> list[float]:
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / len(batches))
    norms = []
    for i, batch in enumerate(batches):
        loss = (model(torch.tensor(batch)) - i % 3).square().sum() * 10
        loss.backward()
        norms.append(float(clip(model.parameters(), max_norm)))  # type: ignore[operator]
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return norms


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(
        st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=8), min_size=1, max_size=12
    ),
    max_norm=st.sampled_from([0.1, 1.0, 1e6]),
    seed=st.integers(0, 5),
)
def test_rows_that_occur_train_as_in_the_dense_table(
    batches: list[list[int]], max_norm: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(VOCABULARY, WIDTH, generator=generator)
    head = torch.randn(WIDTH, generator=generator)
    dense = _Dense(table, head)
    # torch's own Adam on the whole table; beta1 = 0 for the table, 0.9 for the rest
    reference = torch.optim.Adam(
        [
            {"params": [dense.table], "lr": 0.05, "betas": (0.0, 0.999)},
            {"params": [dense.head], "lr": 0.01},
        ]
    )
    occurring = sorted({i for batch in batches for i in batch})
    rows = _Rows(table, head, occurring)
    ours = RowAdam(
        [
            {"params": [rows.embedding.rows], "lr": 0.05},
            {"params": [rows.head], "lr": 0.01},
        ]
    )
    expected = _train(dense, reference, batches, max_norm, torch.nn.utils.clip_grad_norm_)
    norms = _train(rows, ours, batches, max_norm, clip_gradients)
    rows.embedding.merge()
    torch.testing.assert_close(rows.embedding.table, dense.table.detach(), atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(rows.head, dense.head, atol=2e-6, rtol=1e-5)
    assert norms == pytest.approx(expected, rel=1e-4)
    untouched = [i for i in range(VOCABULARY) if i not in occurring]
    assert torch.equal(rows.embedding.table[untouched], table[untouched])


def test_the_state_of_the_optimiser_is_saved_and_loaded() -> None:
    def fresh() -> tuple[_Rows, RowAdam]:
        model = _Rows(torch.eye(VOCABULARY, WIDTH), torch.ones(WIDTH), list(range(VOCABULARY)))
        return model, RowAdam(
            [{"params": [model.embedding.rows], "lr": 0.1}, {"params": [model.head], "lr": 0.1}]
        )

    batches = [[1, 2], [3], [1, 3], [2]]
    whole, optimizer = fresh()
    for batch in batches:
        _train(whole, optimizer, [batch], 1.0, clip_gradients)
    first, optimizer = fresh()
    for batch in batches[:2]:
        _train(first, optimizer, [batch], 1.0, clip_gradients)
    second, resumed = fresh()
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(optimizer.state_dict())
    for batch in batches[2:]:
        _train(second, resumed, [batch], 1.0, clip_gradients)
    assert torch.equal(second.embedding.rows, whole.embedding.rows)


def test_the_optimiser_keeps_state_for_occurring_rows_only() -> None:
    model = _Rows(torch.eye(VOCABULARY, WIDTH), torch.ones(WIDTH), [7, 3])
    optimizer = RowAdam([{"params": [model.embedding.rows], "lr": 0.1}])
    _train(model, optimizer, [[7, 3, 3]], 1.0, clip_gradients)
    assert optimizer.state[model.embedding.rows]["exp_avg_sq"].shape == (2, WIDTH)
    assert "table" not in " ".join(model.state_dict())


def test_a_token_outside_the_plan_is_an_error_of_ours() -> None:
    table = RowTable(torch.eye(3))
    table.choose([0])
    with pytest.raises(AssertionError, match="plan"):
        table(torch.tensor([1]))
    table.merge()
    assert table(torch.tensor([1])).tolist() == [[0.0, 1.0, 0.0]]
