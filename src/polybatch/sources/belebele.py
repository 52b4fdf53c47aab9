"""Belebele: 900 questions on 488 FLORES passages, parallel in 122 languages (arXiv 2308.16884).

A question's document is its passage, in every language; the multiple-choice answers are not used.
A row is a line: a question with its passage. In a mirror, German may be in a file of another form,
one passage per line in the order of the English ones; it is written as the publisher's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of
from polybatch.sources.codes import bcp47
from polybatch.sources.hub import HubSource, mirror_of
from polybatch.sources.manifest import Manifest
from polybatch.sources.source import Document, Fetch, Parsed, Place, Query, Rows
from polybatch.sources.user_files import records

_REPOSITORY = "facebook/belebele"
_WORDS = """
acm_Arab afr_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng
azj_Latn bam_Latn ben_Beng ben_Latn bod_Tibt bul_Cyrl cat_Latn ceb_Latn ces_Latn ckb_Arab dan_Latn
deu_Latn ell_Grek eng_Latn est_Latn eus_Latn fin_Latn fra_Latn fuv_Latn gaz_Latn grn_Latn guj_Gujr
hat_Latn hau_Latn heb_Hebr hin_Deva hin_Latn hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn
isl_Latn ita_Latn jav_Latn jpn_Jpan kac_Latn kan_Knda kat_Geor kaz_Cyrl kea_Latn khk_Cyrl khm_Khmr
kin_Latn kir_Cyrl kor_Hang lao_Laoo lin_Latn lit_Latn lug_Latn luo_Latn lvs_Latn mal_Mlym mar_Deva
mkd_Cyrl mlt_Latn mri_Latn mya_Mymr nld_Latn nob_Latn npi_Deva npi_Latn nso_Latn nya_Latn ory_Orya
pan_Guru pbt_Arab pes_Arab plt_Latn pol_Latn por_Latn ron_Latn rus_Cyrl shn_Mymr sin_Latn sin_Sinh
slk_Latn slv_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn
swh_Latn tam_Taml tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tsn_Latn tso_Latn tur_Latn ukr_Cyrl
urd_Arab urd_Latn uzn_Latn vie_Latn war_Latn wol_Latn xho_Latn yor_Latn zho_Hans zho_Hant zsm_Latn
zul_Latn
""".split()  # noqa: SIM905 - a list would take 122 lines
_BY_PASSAGE = "saeub/deu_Latn.jsonl"
_SECOND = ("arb_Latn", "ben_Latn", "hin_Latn", "npi_Latn", "sin_Latn", "urd_Latn", "zho_Hant")


def language(word: str) -> str:
    """Return the BCP-47 code of a FLORES word; the script only where it is not the usual one.

    Example:
        >>> language("swh_Latn"), language("urd_Latn"), language("zho_Hant")
        ('sw', 'ur-Latn', 'zh-Hant')
    """
    return f"{bcp47(word)}-{word.partition('_')[2]}" if word in _SECOND else bcp47(word)


class Belebele(HubSource):
    """Fully parallel: the same question and passage in every language."""

    name = "belebele"
    splits = ("test",)
    licence = "CC BY-SA 4.0"
    citation = (
        "Bandarkar et al.: The Belebele Benchmark: a parallel reading comprehension dataset in 122 "
        "language variants. ACL 2024, arXiv 2308.16884"
    )
    homepage = "https://github.com/facebookresearch/belebele"
    repositories = (_REPOSITORY,)

    def __init__(self) -> None:
        self._words = {language(word): word for word in _WORDS}
        self.languages = tuple(sorted(self._words))

    def wanted(self, languages: Sequence[str], splits: Sequence[str]) -> Mapping[str, list[str]]:
        """Return one file per language."""
        return {_REPOSITORY: [self._path(lang) for lang in languages]}

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Copy the files; German also from a file by passage, where the mirror has only that."""
        mirror = mirror_of(self, fetch)
        by_passage = (
            mirror
            and "de" in languages
            and (mirror / _BY_PASSAGE).is_file()
            and not (mirror / "belebele" / self._path("de")).is_file()
        )
        if not mirror or not by_passage:
            super().download(folder, languages, splits, fetch)
            return
        others = [lang for lang in languages if lang != "de"]
        super().download(folder, others, splits, fetch)
        path = f"belebele/{self._path('de')}"
        found = _german(mirror / _BY_PASSAGE, mirror / "belebele" / self._path("en"))
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(found, encoding="utf-8")
        manifest = Manifest.read(folder)
        facts = {"made_of": _BY_PASSAGE, "sha256": sha256_of(mirror / _BY_PASSAGE)}
        replace(manifest, files={**manifest.files, path: facts}).write(folder)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read questions and passages; a passage of several questions is one document."""
        self.check(languages, splits)
        rows = Rows()
        for lang in languages:
            path = folder / "belebele" / self._path(lang)
            for row, fields in records(path):
                rows.read(self._path(lang))
                self._add(rows, lang, row, _texts(f"{path}:{row}", fields))
        return rows.parsed()

    def _add(self, rows: Rows, lang: str, row: int, texts: Sequence[str]) -> None:
        link, number, passage, question = texts
        group = f"belebele:{link}"
        item_id, doc_id = f"{group}#{number}", f"{group}:{lang}"
        place = Place(self.name, self._path(lang), row, lang, item_id, question)
        if f"{item_id}:{lang}" in rows.queries:
            rows.reject(place, "link and question_number used before")
            return
        query = Query(f"{item_id}:{lang}", item_id, lang, question, "test")
        rows.add(place, query, Document(doc_id, lang, passage, None, group, _page(link)))

    def _path(self, lang: str) -> str:
        return f"data/{self._words[lang]}.jsonl"


def _page(link: str) -> str:
    """Return the page that a passage is from: chapters of one book are one.

    Example:
        >>> _page("https://en.wikibooks.org/wiki/European_History/World_War_I")
        'belebele:https://en.wikibooks.org/wiki/European_History'
    """
    return f"belebele:{'/'.join(link.split('/')[:5])}"


def _german(german: Path, english: Path) -> str:
    """Return German in the publisher's form; InputError where passages or questions differ."""
    passages: dict[str, list[Mapping[str, object]]] = {}
    for _, row in records(english):
        passages.setdefault(str(row.get("link")), []).append(row)
    texts = [row for _, row in records(german)]
    questions_of: list[list[str]] = [
        [str(each["question"]) for each in items if isinstance(each, dict) and "question" in each]
        if isinstance(items := row.get("items"), list)
        else []
        for row in texts
    ]
    expected = [len(rows) for rows in passages.values()]
    if [len(each) for each in questions_of] != expected:
        raise InputError(
            german,
            f"{len(texts)} passages with {sum(map(len, questions_of))} questions",
            f"those of {english.name}: {len(expected)} with {sum(expected)}",
            "Put the publisher's deu_Latn.jsonl into the mirror",
        )
    keys = ("link", "question_number")
    return "".join(
        json.dumps(
            {key: row[key] for key in keys}
            | {"flores_passage": text["text"], "question": question},
            ensure_ascii=False,
        )
        + "\n"
        for rows, text, questions in zip(passages.values(), texts, questions_of, strict=True)
        for row, question in zip(rows, questions, strict=True)
    )


def _texts(place: str, fields: Mapping[str, object]) -> list[str]:
    """Return link, number, passage and question of a row."""
    names = ("link", "question_number", "flores_passage", "question")
    texts = {name: str(value) for name in names if isinstance(value := fields.get(name), str | int)}
    if missing := [name for name in names if not texts.get(name, "").strip()]:
        raise InputError(
            place, f"no {', '.join(missing)}", ", ".join(names), "Fetch the file again"
        )
    return list(texts.values())
