"""A study's scores in the form of MTEB's results: a JSON file a dataset (Muennighoff et al. 2023).

The form is that of `TaskResult` in mteb 2: scores by split, an entry a subset with its languages
(ISO 639-3 and script), measures as fractions. A pair of languages is a subset (`sw-en`); so is the
pool (`sw-mul`). The tasks are this study's, not MTEB's: names and revisions say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from babel.core import get_global

from polybatch.core.errors import InputError
from polybatch.core.files import whole_folder, write_json
from polybatch.core.languages import POOL
from polybatch.reports.results_folder import Study
from polybatch.settings.names import proposed_name
from polybatch.validation.scripts import script_of

_FAMILIES = {"AP": "map", "nDCG": "ndcg", "RR": "mrr", "R": "recall"}
_LISTS = ["query_lang", "doc_lang"]
_OWN = frozenset(
    {"aka", "ara", "aym", "aze", "bod", "ces", "cre", "cym", "deu", "dzo", "ell", "est", "eus",
     "fas", "fra", "ful", "grn", "guj", "hrv", "hye", "iku", "ipk", "isl", "kat", "kau", "kom",
     "kon", "kur", "lav", "mkd", "mlg", "mon", "mri", "msa", "mya", "nep", "nld", "oji", "ori",
     "orm", "pus", "que", "ron", "san", "slk", "sqi", "srd", "srp", "swa", "uzb", "yid", "zha",
     "zho"}
)  # fmt: skip
"""ISO 639-3's code where CLDR has several aliases: also retired, bibliographic, of a part."""
_UNALIASED = {"tl": "tgl", "tw": "twi"}
"""CLDR has these codes of three letters as aliases of another language."""


def metric_of(measure: str) -> str:
    """Return MTEB's name of a measure.

    Example:
        >>> metric_of("nDCG@10"), metric_of("AP")
        ('ndcg_at_10', 'map')
    """
    family, _, cutoff = measure.partition("@")
    name = _FAMILIES.get(family, family.lower())
    return f"{name}_at_{cutoff}" if cutoff else name


def language_of(lang: str) -> str:
    """Return a language as MTEB writes it: ISO 639-3 and the script, Zyyy where none is known.

    Example:
        >>> language_of("sw"), language_of("zh-Hant"), language_of("tlh")
        ('swa-Latn', 'zho-Hant', 'tlh-Zyyy')
    """
    code = lang.partition("-")[0]
    return f"{_three_letters().get(code, code)}-{script_of(lang) or 'Zyyy'}"


@cache
def _three_letters() -> dict[str, str]:
    """Return ISO 639-3's code of each with two letters: CLDR's aliases the other way round."""
    found: dict[str, str] = {}
    for old, new in get_global("language_aliases").items():
        if len(old) == 3 and len(new) == 2 and (new not in found or old in _OWN):
            found[new] = old
    return found | _UNALIASED


def write_results(study: Study, strategy: str, folder: Path) -> list[str]:
    """Write `<strategy>/<study>/<dataset>.json` below a new folder; return the files' names.

    Raises:
        InputError: the folder exists.
    """
    if folder.exists():
        raise InputError(folder, "something there already", "a new folder", "Name another")
    revisions = study.same_revisions([strategy])
    scores = study.scores(strategy)
    inside = Path(strategy, proposed_name("study", study.config.study.name))
    names = []
    with whole_folder(folder) as temporary:
        (temporary / inside).mkdir(parents=True)
        for dataset, revision in revisions.items():
            found = _result(study, dataset, revision, scores.filter(dataset=dataset))
            names.append((inside / f"{dataset}.json").as_posix())
            write_json(temporary / names[-1], found)
        meta = {"name": f"polybatch/{strategy}", "revision": study.config.study.name}
        write_json(temporary / inside / "model_meta.json", meta)
    return names


def _result(study: Study, dataset: str, revision: str, scores: pl.DataFrame) -> dict[str, Any]:
    split = "+".join(study.config.datasets[dataset].splits)
    return {
        "dataset_revision": revision,
        "task_name": f"polybatch-{dataset}",
        "mteb_version": None,  # readers of mteb 2.0 parse it, and polybatch is no version of it
        "scores": {split: list(_subsets(scores))},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }


def _subsets(scores: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the mean scores of each list: a query language and a document language, or all."""
    means = scores.group_by(*_LISTS, "measure").agg(pl.col("score").mean()).sort(*_LISTS)
    everywhere = sorted(set(scores["doc_lang"]) - {POOL})
    for (query_lang, doc_lang), part in means.group_by(_LISTS, maintain_order=True):
        values = {metric_of(name): value for name, value in part.select("measure", "score").rows()}
        found = [query_lang, *(everywhere if doc_lang == POOL else [doc_lang])]
        yield {
            "hf_subset": f"{query_lang}-{doc_lang}",
            "languages": [language_of(str(lang)) for lang in dict.fromkeys(found)],
            "main_score": values.get("ndcg_at_10", values[sorted(values)[0]]),
            **values,
        }
