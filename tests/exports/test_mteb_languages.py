"""Languages in the form of MTEB's results; the truth is ISO 639's own table, by hand."""

from __future__ import annotations

import polars as pl

from polybatch.evaluation.scores import SCORES
from polybatch.exports.mteb import _subsets, language_of
from polybatch.sources.table import SOURCES

ISO_639 = """
aa aar ab abk ae ave af afr ak aka am amh an arg ar ara as asm av ava ay aym az aze ba bak be bel
bg bul bi bis bm bam bn ben bo bod br bre bs bos ca cat ce che ch cha co cos cr cre cs ces cu chu
cv chv cy cym da dan de deu dv div dz dzo ee ewe el ell en eng eo epo es spa et est eu eus fa fas
ff ful fi fin fj fij fo fao fr fra fy fry ga gle gd gla gl glg gn grn gu guj gv glv ha hau he heb
hi hin ho hmo hr hrv ht hat hu hun hy hye hz her ia ina id ind ie ile ig ibo ii iii ik ipk io ido
is isl it ita iu iku ja jpn jv jav ka kat kg kon ki kik kj kua kk kaz kl kal km khm kn kan ko kor
kr kau ks kas ku kur kv kom kw cor ky kir la lat lb ltz lg lug li lim ln lin lo lao lt lit lu lub
lv lav mg mlg mh mah mi mri mk mkd ml mal mn mon mr mar ms msa mt mlt my mya na nau nb nob nd nde
ne nep ng ndo nl nld nn nno no nor nr nbl nv nav ny nya oc oci oj oji om orm or ori os oss pa pan
pi pli pl pol ps pus pt por qu que rm roh rn run ro ron ru rus rw kin sa san sc srd sd snd se sme
sg sag si sin sk slk sl slv sm smo sn sna so som sq sqi sr srp ss ssw st sot su sun sv swe sw swa
ta tam te tel tg tgk th tha ti tir tk tuk tl tgl tn tsn to ton tr tur ts tso tt tat tw twi ty tah
ug uig uk ukr ur urd uz uzb ve ven vi vie vo vol wa wln wo wol xh xho yi yid yo yor za zha zh zho
zu zul
"""
"""Parts 1 and 3: two letters, then three, of each language that has both."""


def test_every_language_with_two_letters_has_its_own_three() -> None:
    words = ISO_639.split()
    table = dict(zip(words[::2], words[1::2], strict=True))
    assert len(table) == 183
    assert {lang: language_of(lang).split("-")[0] for lang in table} == table
    for source in SOURCES.values():
        for lang in source.languages:
            code = lang.partition("-")[0]
            assert language_of(lang).split("-")[0] == table.get(code, code)
            assert len(code) == 3 or code in table


def test_the_pool_has_the_languages_of_documents_and_the_querys_own() -> None:
    rows = [("d", "multi", lang, "mul", "i", "AP", 0.5) for lang in ("ha", "sw")]
    rows += [
        ("d", "cross", lang, doc, "i", "AP", 0.5) for lang in ("ha", "sw") for doc in ("en", "fr")
    ]
    found = {
        one["hf_subset"]: one["languages"]
        for one in _subsets(pl.DataFrame(rows, SCORES, orient="row"))
    }
    assert found["sw-mul"] == ["swa-Latn", "eng-Latn", "fra-Latn"]
    assert found["ha-fr"] == ["hau-Latn", "fra-Latn"]
