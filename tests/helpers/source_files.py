"""Small files of each source in its publisher's form, and their rows, counted by other means."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.sources.source import Parsed
from polybatch.sources.table import SOURCES
from tests.helpers.domain_files import entry, memory, ntrex, passages, unit
from tests.sources.test_hub_sources import belebele, miracl, mmarco, put
from tests.sources.test_more_sources import _tydi
from tests.sources.test_sources import _mlqa_dev, _two_languages
from tests.sources.test_translated_sources import exams, mafand, mmlu, scifact, winogrande


def held(found: Parsed) -> dict[str, int]:
    """Hold the law, here as well as in Parsed; return rows read by file."""
    rejected = Counter(found.rejected["file"])
    for file, read, kept, merged, lost in found.tally.rows():
        assert read == kept + merged + lost, file
        assert lost == rejected.pop(file, 0), file
    assert not rejected, "rejected rows of files that were not counted"
    assert found.rejected["reason"].str.len_chars().min() != 0
    check_dataset(Dataset("d", found.queries, found.corpus, found.qrels))
    return dict(found.tally.select("file", "read").rows())


def _tico19(folder: Path) -> None:
    for lang, words in (("es-LA", "uno dos uno tres"), ("sw", "moja mbili tatu nne")):
        sentences = enumerate(words.split())
        body = [unit(f"wiki_1:{n}", lang, f"English {n}", word) for n, word in sentences]
        memory(folder, lang, "".join(body))


def _sib200(folder: Path) -> None:
    for word in ("eng_Latn", "swh_Latn"):
        rows = ["index_id\tcategory\ttext", *(f"{n}\tx\t{word} {n}" for n in range(4)), "9"]
        path = folder / f"data/annotated/{word}/dev.tsv"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(rows) + "\n")


def _xnli(folder: Path) -> None:
    labels = ("entailment", "neutral", "entailment")
    for lang in ("en", "sw"):
        rows = [f"{lang} premise {n}\t{lang} claim {n}\t{label}" for n, label in enumerate(labels)]
        (folder / f"dev-{lang}.tsv").write_text("".join(f"{row}\n" for row in rows))


def _afriqa(folder: Path) -> None:
    rows = (entry(1, "Me?", "x is it."), entry(2, "Wa?", "x is it."), entry(3, "Ina?", " "))
    passages(folder, "hau", "dev", *rows)
    passages(folder, "ibo", "dev", entry(1, "Gịnị?", "x is it."))


def _belebele(folder: Path) -> None:
    for lang in ("swh_Latn", "eng_Latn"):
        rows = [belebele("l1", n, f"{lang} text", f"{lang} {n}?") for n in (1, 2)]
        put(folder / f"belebele/data/{lang}.jsonl", *rows)


def lines_of(path: Path) -> list[str]:
    read = gzip.decompress if path.suffix == ".gz" else bytes
    return read(path.read_bytes()).decode("utf-8", "replace").removesuffix("\n").split("\n")


def _walk(path: Path) -> int:
    """Count questions, LAReQA's sentences, and paragraphs without a question elsewhere."""
    count = 0
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            count += len(paragraph["qas"]) + len(paragraph.get("sentences", []))
            count += not paragraph["qas"] and "sentences" not in paragraph
    return count


def unpacked(path: Path) -> str:
    with tarfile.open(path) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        assert member
        return member.read().decode()


def _sentences(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0]).decode().count("<seg>")


def _all(path: Path) -> int:
    return sum(1 for line in lines_of(path) if line)


def _entailed(path: Path) -> int:
    return sum(line.rstrip("\r").split("\t")[-1].strip() == "entailment" for line in lines_of(path))


Count = Callable[[Path], int]


def _found(pattern: str, read: Callable[[Path], str] = Path.read_text) -> Count:
    return lambda path: len(re.findall(pattern, read(path)))


FORMS: dict[str, tuple[Callable[[Path], object], list[str], list[str], str, Count]] = {
    "xquad-r": (_two_languages, ["en", "de"], ["test"], "*/*.json", _walk),
    "mlqa": (_mlqa_dev, ["de", "en"], ["dev"], "**/*.json", _walk),
    "tydiqa": (
        lambda folder: (
            _tydi(folder, "dev", ("s-1", "Lini?", "Ilikuwa 1849.", "")),
            _tydi(folder, "train", ("1", "Wapi?", "Ni Boston.", "Boston"), ("1", "", "Ni", "Ni")),
        ), ["sw"], ["train", "dev"], "**/*.json", _walk,
    ),
    "xnli": (_xnli, ["en", "sw"], ["dev"], "*.tsv", _entailed),
    "afriqa": (_afriqa, ["ha", "ig", "en"], ["dev"], "**/*.json", lambda path: len(lines_of(path))),
    "ntrex": (
        lambda folder: ntrex(folder, "Eins.\n\nDrei.\n"), ["en", "de"], ["test"],
        "NTREX-128/*.txt", lambda path: len(lines_of(path)),
    ),
    "sib200": (_sib200, ["en", "sw"], ["dev"], "**/*.tsv", lambda path: len(lines_of(path)) - 1),
    "tico19": (_tico19, ["en", "es-419", "sw"], ["all"], "**/*.zip", _sentences),
    "belebele": (_belebele, ["en", "sw"], ["test"], "**/*.jsonl", _all),
    "cldr": (
        lambda folder: SOURCES["cldr"].download(folder, ["en", "zu"], ["test"], _never),
        ["en", "zu"], ["test"], "*.jsonl", lambda path: path.read_text().count('"split": "test"'),
    ),
    "miracl": (
        lambda folder: miracl(folder.parent), ["sw"], ["dev"], "**/*[vz]*", _all
    ),
    "exams": (
        exams, ["hr", "tr"], ["dev"], "*.gz", _found('"(Croatian|Turkish)"', unpacked)
    ),
    "mmlu-african": (mmlu, ["en", "zu"], ["dev"], "*.csv", _found(",[A-D]?\n")),
    "winogrande-african": (winogrande, ["en", "zu"], ["dev"], "*.csv", _found(",dev\n")),
    "mafand": (
        mafand, ["zu", "ee", "fr"], ["dev"], "*/dev.json", _found(r'"(zul|ewe|fr) [0-9]')
    ),
    "scifact": (
        scifact, ["en"], ["train", "test"], "beir/**/*.[jt]*",
        lambda path: _all(path) - (path.suffix == ".tsv"),
    ),
    "mmarco": (
        lambda folder: mmarco(folder.parent), ["de", "en"], ["train", "dev"], "**/*.tsv", _all
    ),
}  # fmt: skip
"""Of each source: what writes small files, languages, splits, files with rows, their true count."""


def _never(file: object, path: Path) -> None:
    raise AssertionError("nothing is to be fetched")


def written(name: str, tmp_path: Path) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    FORMS[name][0](folder)
    return folder


def read_source(name: str, folder: Path) -> Parsed:
    return SOURCES[name].read(folder, FORMS[name][1], FORMS[name][2])


def true_count(name: str, folder: Path) -> int:
    return sum(FORMS[name][4](path) for path in row_files(name, folder))


def row_files(name: str, folder: Path) -> list[Path]:
    found = (path for path in folder.glob(FORMS[name][3]) if path.is_file())
    return sorted(path for path in found if path.name != "manifest.json")
