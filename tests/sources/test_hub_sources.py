"""belebele, miracl, mmarco and BEIR from the hub, on small files in the publishers' format."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.settings.data import SourceSettings
from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import Parsed
from polybatch.sources.table import source_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def settings(languages: tuple[str, ...], splits: tuple[str, ...], *names: str,
             sample: int | None = None) -> SourceSettings:  # fmt: skip
    revisions = tuple(f"{name}={COMMIT}" for name in names)
    return SourceSettings(languages, splits, revisions=revisions, sample=sample)


def taken(mirror: Path, name: str, asked: SourceSettings) -> Parsed:
    """Download from a mirror and read, as the stages do."""
    raw = mirror / "raw"
    source = source_of(name, asked.languages, asked.splits).of(asked)
    source.download(raw, asked.languages, asked.splits, Fetcher(mirror, mirror / "work"))
    manifest = json.loads((raw / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["revisions"].values()) == {COMMIT}
    assert all(len(facts["sha256"]) == 64 for facts in manifest["files"].values())
    found = source.read(raw, asked.languages, asked.splits)
    check_dataset(Dataset("d", found.queries, found.corpus, found.qrels))
    return found


def put(path: Path, *rows: object, packed: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)


# belebele ----------------------------------------------------------------------------------------


def belebele(link: str, number: int, passage: str, question: str) -> dict[str, object]:
    answers = {f"mc_answer{i}": f"a{i}" for i in range(1, 5)}
    return {"link": link, "question_number": number, "flores_passage": passage,
            "question": question, **answers, "correct_answer_num": "2", "dialect": "swh_Latn",
            "ds": "2023-05-03"}  # fmt: skip


def test_belebele_is_parallel_by_passage_and_number(tmp_path: Path) -> None:
    data = tmp_path / "belebele/belebele/data"
    put(
        data / "swh_Latn.jsonl",
        belebele("l1", 1, "Maji.", "Nini?"),
        belebele("l1", 2, "Maji.", "Wapi?"),
    )
    put(
        data / "hin_Latn.jsonl",
        belebele("l1", 1, "Paani.", "Kya?"),
        belebele("l1", 2, "Paani.", "Kahaan?"),
    )
    found = taken(tmp_path, "belebele", settings(("sw", "hi-Latn"), ("test",), "facebook/belebele"))
    assert sorted(found.queries.select("item_id", "lang", "text").rows()) == [
        ("belebele:l1#1", "hi-Latn", "Kya?"), ("belebele:l1#1", "sw", "Nini?"),
        ("belebele:l1#2", "hi-Latn", "Kahaan?"), ("belebele:l1#2", "sw", "Wapi?"),
    ]  # fmt: skip
    assert sorted(found.corpus["text"]) == ["Maji.", "Paani."]
    assert found.qrels.height == 4


def test_belebele_has_its_122_variants() -> None:
    source = source_of("belebele", ["sw"], ["test"])
    assert len(source.languages) == 122


def test_a_row_of_belebele_without_a_passage_is_told(tmp_path: Path) -> None:
    row = belebele("l1", 1, "", "Nini?")
    put(tmp_path / "belebele/belebele/data/swh_Latn.jsonl", row)
    with pytest.raises(InputError, match=r"swh_Latn\.jsonl:1: found no flores_passage"):
        taken(tmp_path, "belebele", settings(("sw",), ("test",), "facebook/belebele"))


# miracl ------------------------------------------------------------------------------------------


def miracl(mirror: Path, lang: str = "sw") -> None:
    topics, corpus = (mirror / "miracl" / name for name in ("miracl", "miracl-corpus"))
    base = topics / f"miracl-v1.0-{lang}"
    put(base / f"topics/topics.miracl-v1.0-{lang}-dev.tsv", '7\tNani "huyu"?', "8\tLini?")
    put(base / f"qrels/qrels.miracl-v1.0-{lang}-dev.tsv",
        "7\tQ0\t1#0\t1", "7\tQ0\t1#1\t0", "8\tQ0\t2#0\t0")  # fmt: skip
    for shard, numbers in enumerate((range(1, 3), range(3, 40))):
        rows = [{"docid": f"{i}#{j}", "title": f"T{i}", "text": f"Maandishi {i} {j}."}
                for i in numbers for j in range(2)]  # fmt: skip
        put(corpus / f"miracl-corpus-v1.0-{lang}/docs-{shard}.jsonl.gz", *rows, packed=True)


MIRACL = ("miracl/miracl", "miracl/miracl-corpus")


def test_miracl_has_what_is_relevant_and_the_whole_corpus(tmp_path: Path) -> None:
    miracl(tmp_path)
    found = taken(tmp_path, "miracl", settings(("sw",), ("dev",), *MIRACL))
    assert found.queries.select("query_id", "text").rows() == [("miracl:sw:7", 'Nani "huyu"?')]
    assert found.qrels.rows() == [("miracl:sw:7", "miracl:sw:1#0", 1)]
    assert found.corpus.height == 78
    assert found.corpus.row(0) == (
        "miracl:sw:1#0",
        "sw",
        "Maandishi 1 0.",
        "T1",
        *["miracl:sw:1"] * 2,
        None,
    )


def test_a_sample_of_miracl_keeps_what_is_judged_and_grows(tmp_path: Path) -> None:
    miracl(tmp_path)
    pools = [
        set(
            taken(tmp_path, "miracl", settings(("sw",), ("dev",), *MIRACL, sample=n)).corpus[
                "doc_id"
            ]
        )
        for n in (0, 5, 20)
    ]
    assert pools[0] == {"miracl:sw:1#0", "miracl:sw:1#1", "miracl:sw:2#0"}
    assert [len(pool) for pool in pools] == [3, 8, 23]
    assert pools[0] < pools[1] < pools[2]


def test_miracl_has_no_training_part_in_yoruba() -> None:
    with pytest.raises(InputError, match="train with yo"):
        source_of("miracl", ["sw", "yo"], ["train"])


# mmarco ------------------------------------------------------------------------------------------


def mmarco(mirror: Path) -> None:
    data = mirror / "mmarco/mmarco/data"
    put(data / "triples.train.ids.small.tsv", "1\t10\t11", "1\t10\t12", "2\t12\t10", "3\t13\t10")
    put(data / "qrels.dev.small.tsv", "9\t0\t11\t1")
    for lang in ("english", "german"):
        put(data / f"google/collections/{lang}_collection.tsv",
            *(f'{i}\t{lang} passage "{i}' for i in range(10, 30)))  # fmt: skip
        put(data / f"google/queries/train/{lang}_queries.train.tsv",
            *(f"{i}\t{lang} query {i}" for i in range(1, 6)))  # fmt: skip
        put(data / f"google/queries/dev/{lang}_queries.dev.small.tsv", f"9\t{lang} query 9")


def test_mmarco_is_parallel_by_id(tmp_path: Path) -> None:
    mmarco(tmp_path)
    found = taken(tmp_path, "mmarco", settings(("de", "en"), ("train",), "unicamp-dl/mmarco"))
    assert found.queries.height == 6
    assert found.corpus.filter(lang="de")["text"].to_list() == [
        'german passage "10', 'german passage "12', 'german passage "13'
    ]  # fmt: skip
    assert sorted(found.qrels.filter(item_id="mmarco:1")["doc_id"]) == [
        "mmarco:de:10", "mmarco:en:10"
    ]  # fmt: skip


def test_a_sample_of_mmarco_is_the_same_queries_in_every_language(tmp_path: Path) -> None:
    mmarco(tmp_path)
    asked = settings(("de", "en"), ("train",), "unicamp-dl/mmarco", sample=2)
    found = taken(tmp_path, "mmarco", asked)
    assert found.queries.group_by("item_id").len()["len"].to_list() == [2, 2]
    assert found.corpus.height == 4


def test_mmarco_dev_searches_passages_nobody_asks_for(tmp_path: Path) -> None:
    mmarco(tmp_path)
    whole = taken(tmp_path, "mmarco", settings(("de",), ("dev",), "unicamp-dl/mmarco"))
    assert (whole.queries.height, whole.corpus.height) == (1, 20)
    part = taken(tmp_path, "mmarco", settings(("de",), ("dev",), "unicamp-dl/mmarco", sample=4))
    assert (part.queries.height, part.corpus.height) == (1, 5)


def test_a_cut_row_of_mmarco_is_told(tmp_path: Path) -> None:
    mmarco(tmp_path)
    put(tmp_path / "mmarco/mmarco/data/triples.train.ids.small.tsv", "1\t10\t11", "2\t1")
    with pytest.raises(InputError, match=r"triples.train.ids.small.tsv:2: found 2 columns"):
        taken(tmp_path, "mmarco", settings(("de",), ("train",), "unicamp-dl/mmarco"))


# BEIR on the hub ---------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [False, True])
def test_beir_from_the_hub_with_judgements_inside_or_apart(tmp_path: Path, apart: bool) -> None:
    root = tmp_path / "beir"
    put(root / "fact/corpus.jsonl.gz", {"_id": "d1", "title": "T", "text": "One."},
        {"_id": "d2", "title": "", "text": "Two."}, packed=True)  # fmt: skip
    put(root / "fact/queries.jsonl.gz", {"_id": "q1", "text": "Which?"}, packed=True)
    place = root / ("fact-qrels/test.tsv" if apart else "fact/qrels/test.tsv")
    put(place, "query-id\tcorpus-id\tscore", "q1\td2\t1")
    names = ("x/fact", "x/fact-qrels") if apart else ("x/fact",)
    found = taken(tmp_path, "beir-fact", settings(("en",), ("test",), *names))
    assert (found.queries.height, found.corpus.height, found.qrels.height) == (1, 2, 1)


# What is refused ---------------------------------------------------------------------------------


def test_commits_are_asked_for(tmp_path: Path) -> None:
    fetch = Fetcher(tmp_path, tmp_path / "work")
    for revisions in (None, ("facebook/belebele=main",), ("other/name=" + COMMIT,)):
        source = source_of("belebele", ["sw"], ["test"])
        source = source.of(SourceSettings(("sw",), ("test",), revisions=revisions))
        with pytest.raises(InputError, match=r"sources\.belebele\.revisions: .*40 hexadecimal"):
            source.download(tmp_path / "raw", ["sw"], ["test"], fetch)


def test_keys_that_a_source_does_not_take_are_refused() -> None:
    for name, splits, more in (
        ("mlqa", ("dev",), {"revisions": (f"a/b={COMMIT}",)}),
        ("belebele", ("test",), {"sample": 3}),
        ("belebele", ("test",), {"folder": "inputs/x"}),
    ):
        source = source_of(name, ["en"], splits)
        with pytest.raises(InputError, match="no such key of this source"):
            source.of(SourceSettings(("en",), splits, **more))  # type: ignore[arg-type]


def test_without_network_and_mirror_the_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    asked = settings(("sw",), ("dev",), *MIRACL)
    source = source_of("miracl", ["sw"], ["dev"]).of(asked)
    with pytest.raises(
        InputError, match=r"miracl/miracl at 0123456789ab: found no .*topics.*mirror"
    ):
        source.download(tmp_path / "raw", ["sw"], ["dev"], Fetcher(None, tmp_path / "work"))


def test_a_file_missing_in_a_mirror_is_named(tmp_path: Path) -> None:
    miracl(tmp_path)
    with pytest.raises(InputError, match=r"no miracl-v1.0-bn/topics/topics.miracl-v1.0-bn-dev.tsv"):
        taken(tmp_path, "miracl", settings(("bn",), ("dev",), *MIRACL))


def test_a_broken_shard_is_refused(tmp_path: Path) -> None:
    miracl(tmp_path)
    shard = tmp_path / "miracl/miracl-corpus/miracl-corpus-v1.0-sw/docs-1.jsonl.gz"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"docs-1\.jsonl\.gz:\d+: found a broken \.gz"):
        taken(tmp_path, "miracl", settings(("sw",), ("dev",), *MIRACL))
