"""BM25 against bm25s by its own API, against the formula worked out term by term, and tokens."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from dataclasses import replace

import bm25s
import numpy as np
import polars as pl
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.evaluation.scores import evaluate_source
from polybatch.retrieval.fusion import FusedScores
from polybatch.retrieval.lexical import Bm25Scores
from polybatch.retrieval.score_rows import VectorScores
from polybatch.retrieval.tokenization import tokenize, tokenizer_of

DOCUMENTS = [
    ("en", "The cat sat on the mat, the cat's mat."),
    ("en", "A dog in the park saw a cat"),
    ("en", "Nothing here"),
    ("en", "…"),  # no token
    ("de", "Die Katze saß auf der Matte in Berlin"),
    ("de", "Berlin ist die Hauptstadt"),
    ("th", "แมวนั่งบนเสื่อในกรุงเทพ"),
    ("th", "กรุงเทพ (Bangkok) เป็นเมืองหลวง"),
    ("zh", "東京都は首都です"),
    ("zh", "北京是中国的首都"),
]
QUERIES = [
    ("en", "the cat on the mat"),
    ("en", "the the Bangkok the"),
    ("de", "Hauptstadt Berlin?"),
    ("th", "กรุงเทพ"),
    ("zh", "中国的首都"),
    ("zh", "?!"),
    ("en", "unseen words alone"),
]


def _dataset() -> Dataset:
    docs = [(f"d{n}", lang, text) for n, (lang, text) in enumerate(DOCUMENTS)]
    asked = [(f"q{n}", f"i{n}", lang, text) for n, (lang, text) in enumerate(QUERIES)]
    return Dataset(
        "toy",
        pl.DataFrame(asked, schema=["query_id", "item_id", "lang", "text"], orient="row"),
        pl.DataFrame(docs, schema=["doc_id", "lang", "text"], orient="row"),
        pl.DataFrame({"item_id": ["i0"], "doc_id": ["d0"], "relevance": [1]}),
    )


def _slow(query: list[str], documents: list[list[str]], k1: float, b: float) -> list[float]:
    """Robertson's sum with Lucene's idf, one term and one document at a time; -inf for no term."""
    average = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        counts, score = Counter(document), 0.0
        for term in query:
            containing = sum(term in other for other in documents)
            idf = math.log(1 + (len(documents) - containing + 0.5) / (containing + 0.5))
            length = 1 - b + b * len(document) / average
            score += idf * counts[term] / (counts[term] + k1 * length)
        scores.append(score or -math.inf)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.2, 0.75)])
def test_scores_are_the_formulas_in_the_pool_and_within_each_language(k1: float, b: float) -> None:
    texts = [tokenize(text, lang) for lang, text in DOCUMENTS]
    langs = [lang for lang, _ in DOCUMENTS]
    rows = list(Bm25Scores.of_dataset(_dataset(), k1, b).of(np.arange(len(QUERIES))))
    assert [row.query for row in rows] == list(range(len(QUERIES)))
    for (lang, text), row in zip(QUERIES, rows, strict=True):
        query = tokenize(text, lang)
        np.testing.assert_allclose(row.pool, _slow(query, texts, k1, b), rtol=1e-6)
        for own in set(langs):
            members = [n for n, each in enumerate(langs) if each == own]
            expected = _slow(query, [texts[n] for n in members], k1, b)
            np.testing.assert_allclose(row.by_language[members], expected, rtol=1e-6)


def test_scores_are_bm25s_own() -> None:
    """Its documented way: index lists of tokens, ask for scores of a list of tokens."""
    dataset = _dataset()
    index = bm25s.BM25(k1=0.9, b=0.4)
    index.index([tokenize(text, lang) for lang, text in DOCUMENTS], show_progress=False)
    rows = {row.query: row.pool for row in Bm25Scores.of_dataset(dataset).of(np.arange(4))}
    for n in range(4):
        theirs = index.get_scores(tokenize(QUERIES[n][1], QUERIES[n][0]))
        np.testing.assert_allclose(rows[n], np.where(theirs > 0, theirs, -np.inf), rtol=1e-5)


def test_documents_without_a_word_of_the_query_are_not_found() -> None:
    dataset = _dataset()
    relevant = [("i0", "d0"), ("i0", "d9"), ("i6", "d8")]
    qrels = pl.DataFrame(relevant, schema=["item_id", "doc_id"], orient="row")
    judged = replace(dataset, qrels=qrels.with_columns(relevance=pl.lit(1)))
    source = Bm25Scores.of_dataset(judged)
    found = evaluate_source(judged, source, ["AP"], run_depth=10)
    runs = found.runs.filter(doc_lang="mul").group_by("query_id").agg("doc_id")
    answers = dict(runs.rows())
    assert sorted(answers["q0"]) == ["d0", "d1"]  # those with "the", "cat" or "on"
    assert "q6" not in answers
    pool = found.per_query.filter(setting="multi", measure="AP")
    assert dict(pool.select("item_id", "score").rows()) == {"i0": 0.5, "i6": 0.0}
    assert source.best("the cat on the mat", "en", 5).size == 2


@pytest.mark.parametrize("seed", range(5))
def test_in_a_fusion_a_query_without_known_words_is_ranked_as_by_vectors_alone(seed: int) -> None:
    dataset, chance = _dataset(), np.random.default_rng(seed)
    sizes = dataset.queries.height, dataset.corpus.height
    queries, documents = (chance.normal(size=(size, 4)).astype(np.float32) for size in sizes)
    vectors = VectorScores.between(dataset, queries, documents)
    fused = FusedScores.of_sources(dataset, Bm25Scores.of_dataset(dataset), vectors)
    both = [evaluate_source(dataset, one, ["AP"], run_depth=10).runs for one in (fused, vectors)]
    ours, theirs = (
        runs.filter(pl.col("query_id").is_in(["q5", "q6"])).drop("score") for runs in both
    )
    assert ours.equals(theirs)


def test_documents_without_tokens_make_no_list_fail() -> None:
    dataset = _dataset()
    corpus = dataset.corpus.with_columns(text=pl.lit("…"))
    empty = Dataset("toy", dataset.queries, corpus, dataset.qrels)
    for row in Bm25Scores.of_dataset(empty).of(np.arange(3)):
        assert np.isneginf(row.pool).all()
        assert np.isneginf(row.by_language).all()


def test_one_language_has_one_list() -> None:
    dataset = _dataset()
    corpus = dataset.corpus.filter(lang="en")
    part = Dataset("toy", dataset.queries, corpus, dataset.qrels)
    source = Bm25Scores.of_dataset(part)
    row = next(source.of(np.array([0])))
    assert row.by_language is row.pool
    assert source.tokenizers == {
        "de": "words", "en": "words", "th": "characters, two and three",
        "zh": "characters, one and two",
    }  # fmt: skip
    assert source.index_bytes > 0


@pytest.mark.parametrize(
    ("lang", "text", "tokens"),
    [
        ("hi", "हिन्दी में क्या है?", ["हिन्दी", "में", "क्या", "है"]),  # marks belong to their word
        ("fr", "L’été d'Anaïs", ["l", "été", "d", "anaïs"]),
        ("de", "Straße STRASSE", ["straße", "strasse"]),
        ("en", "ﬁle №5 e\u0301", ["file", "no5", "é"]),  # NFKC
        ("tr", "IŞIK İlk ilk", ["ışık", "ilk", "ilk"]),
        ("en", "I", ["i"]),
        ("am", "ኢትዮጵያ፡አዲስ።", ["ኢትዮጵያ", "አዲስ"]),
        ("bo", "བོད་ཡིག", ["བོད", "ཡིག"]),
        ("zh", "北京GDP", ["北", "京", "北京", "gdp"]),
        ("ja", "ﾃｽﾄ", ["テ", "ス", "ト", "テス", "スト"]),
        ("ko", "서울은 크다", ["서", "울", "은", "서울", "울은", "크", "다", "크다"]),
        ("th", "สวัส", ["สวั", "วัส", "สวัส"]),
        ("th", "ก", ["ก"]),
        ("en", "ab กข", ["ab", "กข"]),
        ("en", "", []),
    ],
)
def test_texts_are_cut_by_their_scripts(lang: str, text: str, tokens: list[str]) -> None:
    assert tokenize(text, lang) == tokens


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(max_codepoint=0x0DFF, exclude_characters="\u02ea\u02eb"), max_size=40))
def test_a_text_of_words_keeps_all_its_word_characters(text: str) -> None:
    """Another way to the same: take away all that is no word character. Thai begins at 0E00.

    Two tone marks below are Bopomofo and no word characters: they are cut as that script is.
    """
    lower = unicodedata.normalize("NFKC", text).lower()
    assert "".join(tokenize(text, "en")) == regex.sub(r"\W+", "", lower)


def test_a_language_without_tokenisation_is_refused() -> None:
    assert tokenizer_of("sr-Latn") == tokenizer_of("sr") == "words"
    assert tokenizer_of("km") == tokenizer_of("my") == "characters, two and three"
    assert tokenizer_of("bo") == "syllables"
    with pytest.raises(InputError, match="BM25, language nod: found the script Lana"):
        tokenizer_of("nod")
    with pytest.raises(InputError, match="tlh: found a language whose script CLDR does not have"):
        tokenizer_of("tlh")


def test_the_languages_of_every_source_have_a_tokenisation() -> None:
    from polybatch.sources.table import SOURCES

    for source in SOURCES.values():
        for lang in source.languages:
            assert tokenizer_of(lang), (source.name, lang)
