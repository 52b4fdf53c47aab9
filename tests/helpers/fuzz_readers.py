"""Good files of every form, and what reads them: what tests/helpers/fuzz.py changes and runs."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from polybatch.core.dataset import check_dataset, read_dataset
from polybatch.settings.data import SourceSettings
from polybatch.settings.load import load
from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import Parsed
from polybatch.sources.table import SOURCES, source_of
from tests.helpers.good_files import (
    HEAD,
    ROWS,
    Files,
    delimited,
    jsonl,
    parquet,
    squad,
    tmx,
    zipped,
)

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Reader:
    """Good files, by path, and what reads a folder of them; `weight`: its share of the inputs."""

    files: Callable[[], Files]
    read: Callable[[Path], Parsed | None]
    weight: int = 10


def _own(name: str, languages: tuple[str, ...], split: str) -> Callable[[Path], Parsed]:
    def read(folder: Path) -> Parsed:
        settings = SourceSettings(languages, (split,), str(folder))
        source, raw = source_of(name, languages, (split,)).of(settings), folder.parent / "raw"
        source.download(raw, languages, (split,), Fetcher(None, raw))
        return source.read(raw, languages, (split,))

    return read


def _published(name: str, languages: list[str], split: str) -> Callable[[Path], Parsed]:
    return lambda folder: SOURCES[name].read(folder, languages, [split])


def _places(name: str, languages: list[str], split: str, content: bytes, end: str) -> Files:
    files = SOURCES[name].files(languages, [split])
    return {file.path: content for file in files if file.path.endswith(end)}


def _squad_reader(name: str, languages: list[str], split: str) -> Reader:
    return Reader(
        lambda: _places(name, languages, split, squad(), ".json"),
        _published(name, languages, split),
    )


def _miracl() -> Files:
    topic = "miracl/miracl-v1.0-sw/{0}/{0}.miracl-v1.0-sw-dev.tsv"
    passages: list[dict[str, object]] = [
        {"docid": f"1#{i}", "title": "T", "text": f"Text {i}."} for i in range(4)
    ]
    shard = gzip.compress(jsonl(passages), mtime=0)
    return {
        topic.format("topics"): b"0\tWapi?\n1\tNani?\n",
        topic.format("qrels"): b"0\tQ0\t1#0\t1\n0\tQ0\t1#1\t0\n1\tQ0\t1#2\t1\n",
        "miracl-corpus/miracl-corpus-v1.0-sw/docs-0.jsonl.gz": shard,
    }


def _belebele() -> Files:
    rows: list[dict[str, object]] = [
        {"link": f"l{i // 2}", "question_number": i % 2, "flores_passage": f"Passage {i // 2}.",
         "question": f"What {i}?"} for i in range(6)
    ]  # fmt: skip
    return {f"belebele/data/{word}.jsonl": jsonl(rows) for word in ("eng_Latn", "swh_Latn")}


def _sib() -> Files:
    rows = b"index_id\tcategory\ttext\n" + b"".join(
        b"%d\ttravel\tText %d.\n" % (i, i) for i in range(6)
    )
    return {f"data/annotated/{word}/dev.tsv": rows for word in ("eng_Latn", "swh_Latn")}


def _ntrex() -> Files:
    names = ("NTREX-128/newstest2019-ref.eng-US.txt", "NTREX-128/newstest2019-ref.deu.txt")
    return {"DOCUMENT_IDS.tsv": b"a\na\nb\n"} | dict.fromkeys(
        names, "Eins.\r\nZw\u00f6lf.\r\nDrei.\r\n".encode()
    )


def _afriqa() -> Files:
    rows: list[dict[str, object]] = [
        {"id": i, "question_lang": f"Wapi {i}?", "context": f"Passage {i // 2}. Here.",
         "title": "T", "answer_pivot": {"answer_start": [0], "text": ["Here"]}} for i in range(6)
    ]  # fmt: skip
    return _places("afriqa", ["en", "ha"], "dev", jsonl(rows), ".json")


def _xnli() -> Files:
    labels = ("entailment", "neutral", "contradiction")
    rows = "".join(f"Premise {i}.\tClaim {i}.\t{labels[i % 3]}\n" for i in range(9)).encode()
    return _places("xnli", ["en", "sw"], "dev", rows, ".tsv")


def _mmarco(split: str) -> Files:
    data = "mmarco/data"
    texts = b"".join(b"%d\tText %d.\n" % (i, i) for i in range(6))
    if split == "train":
        pairs = {f"{data}/triples.train.ids.small.tsv": b"0\t1\t2\n1\t2\t3\n1\t2\t4\n"}
    else:
        pairs = {f"{data}/qrels.dev.small.tsv": b"0\t0\t1\t1\n1\t0\t2\t1\n1\t0\t3\t0\n"}
    return pairs | {
        f"mmarco/{path}": texts
        for word in ("german", "english")
        for path in (
            f"data/google/collections/{word}_collection.tsv",
            f"data/google/queries/{split}/{word}_queries.{split}{'.small' * (split == 'dev')}.tsv",
        )
    }


@cache
def _cldr() -> Files:
    """Return facts about few territories, as the download stage writes them."""
    with tempfile.TemporaryDirectory() as home:
        SOURCES["cldr"].download(Path(home), ["en", "sw"], ["train"], Fetcher(None, Path(home)))
        lines = {
            path.name: path.read_bytes().splitlines(keepends=True)
            for path in Path(home).glob("*.jsonl")
        }
    return {name: b"".join(found[:40]) for name, found in lines.items()}


def _dataset(folder: Path) -> None:
    check_dataset(read_dataset(folder))


def _beir() -> Files:
    corpus: list[dict[str, object]] = [
        {"_id": f"d{i}", "title": "T", "text": f"Text {i}."} for i in range(5)
    ]
    queries: list[dict[str, object]] = [{"_id": f"q{i}", "text": f"Who {i}?"} for i in range(4)]
    judged = b"query-id\tcorpus-id\tscore\n" + b"".join(b"q%d\td%d\t1\n" % (i, i) for i in range(4))
    return {
        "corpus.jsonl": jsonl(corpus),
        "queries.jsonl": jsonl(queries),
        "qrels/test.tsv": judged,
    }


def _texts() -> Files:
    rows: list[dict[str, object]] = [
        {"lang": ("en", "sw", "de")[i % 3], "text": f"Text {i}.", "title": "T"} for i in range(6)
    ]
    return {"notes.sw.txt": b"Moja.\n\nMbili.\nTatu.\n\n\nNne.\n", "x.jsonl": jsonl(rows)}


@cache
def _checkpoint() -> Path:
    from tests.helpers.small_encoders import labse

    return labse(Path(tempfile.mkdtemp()))


def _checkpoint_files() -> Files:
    from tests.helpers.harmful_checkpoints import FILES

    folder = _checkpoint()
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}


def _open_encoder(folder: Path) -> None:
    """Open a checkpoint of which `folder` has some files, the others as they were saved."""
    from polybatch.encoders.encode import encode_texts
    from polybatch.encoders.load import load_encoder
    from tests.helpers.small_encoders import settings_for

    whole = folder.parent / "whole"
    shutil.copytree(_checkpoint(), whole)
    shutil.copytree(folder, whole, dirs_exist_ok=True)
    encode_texts(load_encoder(settings_for(whole)), ["word1 word2"], 16, 2)


def _params(folder: Path) -> None:
    load(folder / "params.yaml")


_LOCAL = {
    "csv": delimited(","),
    "tsv": delimited("\t"),
    "jsonl": jsonl([dict(zip(HEAD, row, strict=True)) for row in ROWS]),
}
READERS: dict[str, Reader] = {
    f"local {end}{gz}": Reader(
        lambda end=end, gz=gz: {  # type: ignore[misc]
            f"x.{end}{gz}": gzip.compress(_LOCAL[end], mtime=0) if gz else _LOCAL[end]
        },
        _own("local", ("en", "sw"), "all"),
        4 if gz else 12,
    )
    for end in _LOCAL
    for gz in ("", ".gz")
} | {
    "beir": Reader(_beir, _own("beir", ("en",), "test"), 12),
    "text": Reader(_texts, _own("text", ("en", "sw"), "all")),
    "tico19 (zip, tmx)": Reader(
        lambda: _places("tico19", ["en", "sw"], "all", zipped(tmx()), ".zip"),
        _published("tico19", ["en", "sw"], "all"),
    ),
    "xquad": _squad_reader("xquad", ["en", "de"], "test"),
    "mlqa": _squad_reader("mlqa", ["en", "de"], "dev"),
    "tydiqa": _squad_reader("tydiqa", ["en", "sw"], "train"),
    "belebele": Reader(_belebele, _published("belebele", ["en", "sw"], "test"), 5),
    "miracl": Reader(_miracl, _published("miracl", ["sw"], "dev"), 5),
    "afriqa": Reader(_afriqa, _published("afriqa", ["en", "ha"], "dev"), 5),
    "xnli": Reader(_xnli, _published("xnli", ["en", "sw"], "dev"), 4),
    **{
        f"mmarco {split}": Reader(
            lambda split=split: _mmarco(split),  # type: ignore[misc]
            _published("mmarco", ["de", "en"], split),
            4,
        )
        for split in ("dev", "train")
    },
    "cldr": Reader(
        _cldr, lambda folder: SOURCES["cldr"].read(folder, ["en", "sw"], ["train", "test"]), 5
    ),
    "sib200": Reader(_sib, _published("sib200", ["en", "sw"], "dev"), 4),
    "ntrex": Reader(_ntrex, _published("ntrex", ["en", "de"], "test"), 4),
    "parquet": Reader(parquet, _dataset, 12),
    "params.yaml": Reader(lambda: {"params.yaml": (ROOT / "params.yaml").read_bytes()}, _params, 8),
    "checkpoint": Reader(_checkpoint_files, _open_encoder, 4),
}  # fmt: skip
