"""What decides the weights of a training: what its stage depends on."""

from polybatch.settings.deciding import deciding
from polybatch.settings.training import TrainingSettings

BEFORE = TrainingSettings("fp32", 1e-4, 5e-3, 0.05, 0.1, 1.0, 50, 10, 0, 0)


def test_a_key_that_came_later_is_named_only_where_it_is_used() -> None:
    """Else every training made before it would run again."""
    named = {"precision", "learning_rate", "rows_learning_rate", "temperature"}
    named |= {"warmup_share", "max_grad_norm", "cached_pairs"}
    assert set(deciding(BEFORE)) == named
    grouped = TrainingSettings("fp32", 1e-4, 5e-3, 0.05, 0.1, 1.0, 50, 10, 0, 8)
    assert deciding(grouped) == deciding(BEFORE) | {"grouped_texts": 8}
