"""What base encoders were trained on before, and so whether a study is zero-shot for them.

Zero-shot: the encoder's makers trained it on no question-answer or sentence pairs of the evaluation
dataset, of its training part, or of the dataset it was made from. Only what they publish is said
here; where they publish too little, it is `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Flag:
    """Whether a dataset is new to an encoder, and why one may say so."""

    zero_shot: Literal["yes", "no", "unknown"]
    because: str

    def __str__(self) -> str:
        return f"{self.zero_shot}, because {self.because}"


_USE = "arXiv 1907.04307: question-answer pairs and translations mined from the web, and SNLI"
_E5 = "arXiv 2402.05672, table 2: supervised fine-tuning data"
_E5_PAIRS = "is in its pre-training pairs (arXiv 2402.05672, table 1)"
_XP3 = f"xP3 {_E5_PAIRS} and holds"  # dataset card of bigscience/xP3, arXiv 2211.01786
_MINILM = "its model card's list of training data"
_XQUAD = "XQuAD is SQuAD 1.1's development set, translated"
_PLAIN = "it was trained on unlabelled text only, and on no question-answer pairs"

_WRITTEN = Flag("yes", "its questions are written by this package from templates")
_UNKNOWN = Flag("unknown", "nothing sure is known of what this encoder was trained on")
_OWN = Flag("unknown", "the data are your own: you know where else they were published")

_USE_WEB = Flag(
    "unknown", f"the pages are not listed ({_USE}), and the questions' passages stand on the web"
)

ENCODERS: dict[str, dict[str, Flag]] = {
    "use-multilingual": {
        "xquad": _USE_WEB,
        "mlqa": _USE_WEB,
        "tydiqa": _USE_WEB,
        "miracl": _USE_WEB,
        "xnli": Flag(
            "unknown", f"it was trained on SNLI, whose task is XNLI's, not on XNLI ({_USE})"
        ),
    },
    "multilingual-e5": {
        "xquad": Flag(
            "no",
            f"SQuAD is in its training data ({_E5}), and {_XQUAD}; {_XP3}"
            " XQuAD itself in ar, en, es, hi, vi and zh",
        ),
        "mlqa": Flag("no", f"{_XP3} MLQA in ar, en, es, hi, vi and zh; it is not in table 2"),
        "tydiqa": Flag("no", f"Mr. TyDi, made from TyDi QA, is in its training data ({_E5})"),
        "miracl": Flag("no", f"MIRACL is in its training data ({_E5})"),
        "mmarco": Flag(
            "no", f"MS MARCO is in its training data ({_E5}); mMARCO is its translation"
        ),
        "xnli": Flag("no", f"NLI data are in its training data ({_E5})"),
        "belebele": Flag("no", f"{_XP3} FLORES-200, the passages that Belebele asks about"),
        "afriqa": Flag("unknown", f"AfriQA is not named ({_E5}); Wikipedia {_E5_PAIRS}"),
        "scifact": Flag(
            "unknown", f"it is not named ({_E5}); S2ORC, which may have its abstracts, {_E5_PAIRS}"
        ),
        **{
            name: Flag("unknown", f"it is not named ({_E5}), nor is all that was crawled")
            for name in ("tico19", "exams", "mmlu-african", "winogrande-african", "mafand")
        },
    },
    "all-minilm-l6-v2": {
        "xquad": Flag("no", f"SQuAD is in its training data ({_MINILM}); {_XQUAD}"),
        "mmarco": Flag("no", f"MS MARCO is in its training data ({_MINILM})"),
        "xnli": Flag("no", f"SNLI and MultiNLI are in its training data ({_MINILM})"),
    },
    "xlm-roberta": {
        name: Flag("yes", f"{_PLAIN} (arXiv 1911.02116: CommonCrawl)")
        for name in ("xquad", "mlqa", "tydiqa", "miracl", "mmarco", "xnli", "belebele", "afriqa")
    },
    "labse": {
        name: Flag("yes", "it was trained on unlabelled text and mined translations (2007.01852)")
        for name in ("xquad", "mlqa", "tydiqa", "miracl", "mmarco", "belebele", "afriqa")
    },
}
"""By a part of the encoder's name, by source; `-r` sets stand under the set they were made from."""


TRAINING_SETS: dict[str, Mapping[str, tuple[str, ...]]] = {
    "multilingual-e5": {
        "pairs of texts, pre-training": (
            *("Wikipedia", "mC4", "multilingual CC News", "NLLB (translations)", "Reddit", "S2ORC"),
            *("Stack Exchange", "xP3 (with MLQA, XQuAD, TyDi QA, FLORES-200)"),
            "miscellaneous pairs of sentence-transformers",
        ),
        "training parts of labelled data, fine-tuning": (
            *("MS MARCO (passages, documents)", "Natural Questions", "TriviaQA", "SQuAD", "NLI"),
            *("ELI5", "NLLB", "DuReader", "FEVER", "HotpotQA", "Quora duplicates", "Mr. TyDi"),
            "MIRACL",
        ),
    },
}
"""Which data a base encoder's makers trained it on, by a part of its name and by stage.

multilingual-e5: arXiv 2402.05672, tables 1 and 2 (its model card lists the same, but NLLB in the
second stage); what xP3 holds: its dataset card. The small one begins as multilingual MiniLM, the
base and the large one as XLM-R, both of CommonCrawl.
"""


def training_sets(encoder: str) -> str:
    """Return the data that an encoder's makers name, for a report; empty where none are listed.

    Example:
        >>> training_sets("multilingual-e5-small").split("; ")[0][:46]
        'pairs of texts, pre-training: Wikipedia, mC4, '
        >>> training_sets("mine")
        ''
    """
    stages = next((sets for part, sets in TRAINING_SETS.items() if part in encoder.lower()), {})
    return "; ".join(f"{stage}: {', '.join(names)}" for stage, names in stages.items())


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


_XLM_R = _codes(
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he "
    "hi hr hu hy id is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om "
    "or pa pl ps pt ro ru sa sd si sk sl so sq sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh "
    "zh-Hant"
)

LANGUAGES: dict[str, frozenset[str]] = {
    "use-multilingual": _codes(
        "ar de en es fr it ja ko nl pl pt ru th tr zh zh-Hant"
    ),  # 1907.04307
    "multilingual-e5": _XLM_R,  # arXiv 2402.05672: begins as XLM-R or its pupil
    "xlm-roberta": _XLM_R,  # arXiv 1911.02116, table 6
    "all-minilm-l6-v2": _codes("en"),
}
"""The languages that an encoder was pre-trained on, by a part of its name."""


def known_languages(encoder: str) -> frozenset[str] | None:
    """Return the languages an encoder was pre-trained on; None where nothing is published here.

    Example:
        >>> "sw" in known_languages("intfloat/multilingual-e5-small"), known_languages("mine")
        (True, None)
    """
    name = encoder.lower()
    return next((found for part, found in LANGUAGES.items() if part in name), None)


def zero_shot(encoder: str, source: str) -> Flag:
    """Return whether a source's data are new to an encoder, as far as is published.

    Example:
        >>> str(zero_shot("intfloat/multilingual-e5-small", "miracl")).split(" (")[0]
        'no, because MIRACL is in its training data'
        >>> zero_shot("mine", "xquad-r").zero_shot
        'unknown'
    """
    if source == "cldr":
        return _WRITTEN
    if source.partition("-")[0] in ("local", "beir", "text"):
        return _OWN
    name = encoder.lower()
    for part, flags in ENCODERS.items():
        if part in name:
            return flags.get(source.removesuffix("-r"), _UNKNOWN)
    return _UNKNOWN


def not_zero_shot(encoder: str, searched: Mapping[str, str]) -> list[str]:
    """Return a sentence for each dataset that an encoder has seen. `searched`: names, sources.

    Example:
        >>> [line.split(":")[0] for line in not_zero_shot("multilingual-e5-small", {"x": "miracl"})]
        ['x is not zero-shot for multilingual-e5-small']
    """
    flags = {name: zero_shot(encoder, source) for name, source in searched.items()}
    return [
        f"{name} is not zero-shot for {encoder}: {flag.because}."
        for name, flag in flags.items()
        if flag.zero_shot == "no"
    ]
