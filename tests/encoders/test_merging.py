"""Merged checkpoints: weights by hand, bytes at the ends, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from polybatch.core.errors import InputError
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.merging import merge_checkpoints
from polybatch.encoders.row_table import trained_rows
from polybatch.encoders.use_multilingual import UseMultilingual
from tests.helpers.small_encoders import labse


def _moved(start: Path, folder: Path, seed: int) -> Path:
    """Save what a training from `start` might give: all floating weights moved a little."""
    encoder = open_checkpoint(start)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += torch.randn_like(parameter) / 50
    save_checkpoint(encoder, folder)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("trained")
    start = labse(folder / "given")
    return _moved(start, folder / "mono", 1), _moved(start, folder / "cross", 2)


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.parent.relative_to(folder)}/{name}": tensor
        for path in sorted(folder.rglob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def _files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_every_weight_is_the_mean(trained: tuple[Path, Path], tmp_path: Path) -> None:
    merge_checkpoints(*trained, 0.25, tmp_path / "merged")
    one, other, merged = (_tensors(each) for each in (*trained, tmp_path / "merged"))
    assert merged.keys() == one.keys()
    moved = 0
    for name, tensor in merged.items():
        if tensor.is_floating_point():
            expected = 0.25 * one[name].double() + 0.75 * other[name].double()
            torch.testing.assert_close(tensor.double(), expected, rtol=0, atol=1e-6)
            moved += not torch.equal(tensor, one[name])
        else:
            assert torch.equal(tensor, one[name])
    assert moved > 20
    vectors = encode_texts(open_checkpoint(tmp_path / "merged"), ["word1 word2"], 16, 2, "")
    assert vectors.shape == (1, 32)


@pytest.mark.parametrize("weight", [1, 0])
def test_all_of_one_gives_its_bytes(
    weight: float, trained: tuple[Path, Path], tmp_path: Path
) -> None:
    merge_checkpoints(*trained, weight, tmp_path / "merged")
    assert _files(tmp_path / "merged") == _files(trained[0 if weight else 1])


def test_a_checkpoint_merged_with_itself_is_itself(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    merge_checkpoints(trained[0], trained[0], 0.3, tmp_path / "merged")
    assert _files(tmp_path / "merged") == _files(trained[0])


def test_how_the_last_texts_were_cut_is_no_difference(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    """A tokenizer saves it: a strategy without training, which cut none, merges with the others."""
    encoder = open_checkpoint(trained[1])
    encode_texts(encoder, ["word1 word2"], 7, 2, "")
    save_checkpoint(encoder, tmp_path / "used")
    assert _files(tmp_path / "used") != _files(trained[1])
    merge_checkpoints(trained[0], tmp_path / "used", 0.5, tmp_path / "merged")
    merge_checkpoints(*trained, 0.5, tmp_path / "expected")
    assert _tensors(tmp_path / "merged").keys() == _tensors(tmp_path / "expected").keys()


def test_rows_that_only_one_of_them_trained_are_merged_too(tmp_path: Path) -> None:
    """use-multilingual saves the rows that differ from the package's; others count as they are."""
    table = UseMultilingual().embedding.table
    for name, rows in (("mono", [5, 9]), ("cross", [9, 70_000])):
        encoder = SentenceTransformer(modules=[UseMultilingual()], device="cpu")
        with trained_rows(encoder, rows) as (own,):
            own.rows.data += len(name) / 8
        save_checkpoint(encoder, tmp_path / name)
    merge_checkpoints(tmp_path / "mono", tmp_path / "cross", 0.5, tmp_path / "merged")
    found = load_file(tmp_path / "merged" / "model.safetensors")
    assert found["rows.ids"].tolist() == [5, 9, 70_000]
    expected = table[[5, 9, 70_000]] + torch.tensor([[2 / 8], [4.5 / 8], [2.5 / 8]])
    torch.testing.assert_close(found["rows.values"], expected, rtol=0, atol=1e-6)
    encoder = open_checkpoint(tmp_path / "merged")
    torch.testing.assert_close(encoder[0].embedding.table[70_000], expected[2])
    merge_checkpoints(tmp_path / "mono", tmp_path / "cross", 1, tmp_path / "first")
    assert _files(tmp_path / "first") == _files(tmp_path / "mono")


def test_other_starts_are_refused(trained: tuple[Path, Path], tmp_path: Path) -> None:
    other = labse(tmp_path / "other", [f"other{n}" for n in range(300)])
    with pytest.raises(InputError, match=r"labse: found another .*tokenizer.json, expected the"):
        merge_checkpoints(trained[0], other, 0.5, tmp_path / "merged")
    encoder = open_checkpoint(trained[0])
    save_checkpoint(SentenceTransformer(modules=list(encoder)[:2], device="cpu"), tmp_path / "two")
    with pytest.raises(InputError, match="two: found the modules"):
        merge_checkpoints(trained[0], tmp_path / "two", 0.5, tmp_path / "merged")
    with pytest.raises(InputError, match=r"merge: found weight 1\.5, expected 0 to 1"):
        merge_checkpoints(*trained, 1.5, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_other_settings_and_tensors_are_refused(trained: tuple[Path, Path], tmp_path: Path) -> None:
    lower = tmp_path / "lower"
    shutil.copytree(trained[1], lower)
    path = lower / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prompts": {"query": "q: "}}))
    with pytest.raises(InputError, match=r"another config_sentence_transformers\.json"):
        merge_checkpoints(trained[0], lower, 0.5, tmp_path / "merged")
    broken = tmp_path / "broken"
    shutil.copytree(trained[1], broken)
    weights = next(path for path in broken.rglob("*.safetensors") if "Dense" in str(path))
    tensors = load_file(weights)
    save_file({name: each.half() for name, each in tensors.items()}, weights)
    merge_checkpoints(trained[0], broken, 0.5, tmp_path / "merged")  # read as float32: a precision
    save_file({name: each[:16] for name, each in tensors.items()}, weights)
    with pytest.raises(InputError, match="broken"):
        merge_checkpoints(trained[0], broken, 0.5, tmp_path / "merged")
