"""An exported encoder's card: YAML metadata by the hub's convention, then what a reader must know.

Metadata are written and checked by huggingface_hub. Scores come from the study's results; a study
with one training says so, as its intervals do not include chance of training.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

import polars as pl
from huggingface_hub import EvalResult, ModelCardData

from polybatch import __version__
from polybatch.core.errors import InputErrorList
from polybatch.core.markdown import escape, markdown, number, span
from polybatch.exports.mteb import metric_of
from polybatch.reports.comparison_sections import study_views
from polybatch.reports.languages import collapse_notes, known_by, readings
from polybatch.reports.results_folder import Study
from polybatch.settings.study import Trial
from polybatch.sources.source import Source
from polybatch.sources.table import SOURCES
from polybatch.statistics.arms import read_arms
from polybatch.statistics.significance import assess

_HUB_LICENCE = re.compile(r"(cc0|cc-by(-nc)?(-sa)?(-nd)?)-\d\.\d|apache-2\.0|mit")


def model_card(
    study: Study, trial: Trial, dtype: str, losses: Mapping[str, str], sections: Iterable[str]
) -> str:
    """Return the README.md of an export.

    `losses`: what each of its forms loses, Markdown tables; `sections`: of how to load it.
    """
    return f"---\n{_metadata(study, trial).to_yaml()}\n---\n\n" + "\n\n".join(
        [
            f"# {trial.strategy}",
            _about(study, trial, dtype),
            *("## How to load", _loading(study), *sections),
            *("## Measures", _measures(study, trial)),
            *(f"Change of AP by {each}, in points:\n\n{losses[each]}" for each in losses),
            *("## Bias and limits", _limits(study, trial)),
            *("## Data", _data(study)),
        ]
    ) + "\n"  # fmt: skip


def _metadata(study: Study, trial: Trial) -> ModelCardData:
    trained = study.config.used_for("train")
    sources = sorted({data.source for data in trained.values()})
    licences = {_licence(study, source) for source in sources}
    single = licences.pop() if len(licences) == 1 else "other"
    return ModelCardData(
        language=sorted({lang.partition("-")[0] for lang in study.trained_languages}),
        license=single,
        license_name="see-data" if single == "other" else None,
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=["sentence-transformers", "feature-extraction", "sentence-similarity", "multilingual",
              "retrieval", "polybatch"],
        datasets=sources,
        model_name=trial.strategy,
        eval_results=list(_results(study, trial)),
    )  # fmt: skip


def _licence(study: Study, source: str) -> str:
    """Return the hub's name of a source's licence, `other` where it has none."""
    name = _source(source).licence.lower().replace(" ", "-")
    return name if _HUB_LICENCE.fullmatch(name) else "other"


def _source(name: str) -> Source:
    return SOURCES.get(name) or SOURCES[name.partition("-")[0]]


def _results(study: Study, trial: Trial) -> Iterator[EvalResult]:
    """Yield this training's scores in percent, named as MTEB names them."""
    revisions = study.same_revisions([trial.strategy])
    scores = study.json("metrics", f"{trial.path.as_posix()}.json")
    for dataset, settings in scores.items():
        for setting, values in settings.items():
            for measure, value in values.items():
                yield EvalResult(
                    task_type="Retrieval",
                    dataset_type=f"polybatch/{dataset}",
                    dataset_name=f"{dataset} ({setting})",
                    dataset_config=setting,
                    dataset_split="+".join(study.config.datasets[dataset].splits),
                    dataset_revision=revisions[dataset],
                    metric_type=metric_of(measure),
                    metric_value=round(100 * value, 3),
                    metric_name=measure,
                )


def _about(study: Study, trial: Trial, dtype: str) -> str:
    encoder = study.config.encoder.name
    seeds = len(study.kinds[trial.strategy].trials)
    chosen = (
        f" It is one of {seeds} trainings; where the best was taken, its own scores are optimistic:"
        " the intervals below are of all of them."
        if seeds > 1
        else ""
    )
    how = "trained" if study.kinds[trial.strategy].trained else "as it comes, not trained,"
    return (
        "A multilingual retriever: texts in, unit vectors out, compared by their inner product. "
        f"`{encoder}` {how} by the strategy `{trial.strategy}` of the study "
        f"`{study.config.study.name}` (seed {trial.seed}, {dtype}), with polybatch {__version__}."
        + chosen
    )


def _loading(study: Study) -> str:
    lines = [
        "from sentence_transformers import SentenceTransformer",
        "",
        'encoder = SentenceTransformer("THIS FOLDER", trust_remote_code=True)',
        'queries = encoder.encode(["..."], prompt_name="query", normalize_embeddings=True)',
        'documents = encoder.encode(["..."], prompt_name="document", normalize_embeddings=True)',
        "scores = queries @ documents.T",
    ]
    settings = study.config.encoder
    cut = f"Texts are cut after {max(settings.query_length, settings.document_length)} tokens"
    if settings.query_length != settings.document_length:
        cut += f" (in the study: queries after {settings.query_length}, documents after "
        cut += f"{settings.document_length})"
    return (
        "```python\n" + "\n".join(lines) + f"\n```\n\n{cut}. Needs sentence-transformers and "
        "sentencepiece. `trust_remote_code` is needed where the folder holds Python files: they "
        "are the encoder's own, and import nothing of polybatch."
    )


def _comparable(study: Study, name: str) -> Iterator[str]:
    """Yield this row and those scored on the same data, which share the variance over seeds."""
    for one in study.scored_rows(name):
        with suppress(InputErrorList):  # one that a run has not made again yet
            study.same_revisions([name, one])
            yield one


def _measures(study: Study, trial: Trial) -> str:
    name = trial.strategy
    bias = study.trial_bias(trial.path.as_posix())
    known, kind = known_by(study.config.encoder.name, readings({name: bias}))
    measure = study.config.evaluation.headline
    views = study_views(measure, study.trained_languages, known, kind)
    kinds = {one: study.kinds[one] for one in _comparable(study, name)}
    scored = read_arms(kinds, study.trial_scores, study.clusters, views)
    found = assess(scored, name, study.rule).filter(measure=measure, strategy=name)
    rows = [
        (
            escape(f"{row['dataset']} {row['setting']} {row['group']}".removesuffix(" all")),
            number(row["value"]),
            span(row["low"], row["high"]),
            str(row["items"]),
            str(row["clusters"]),
        )
        for row in found.filter(pl.col("kind").is_in(["setting", "query language"])).iter_rows(
            named=True
        )
    ]
    columns = ["setting", measure, "interval", "questions", "independent groups"]
    return (
        f"{escape(measure)} in percent, with {100 * study.rule.confidence:g}% intervals "
        "over questions, and over trainings where there are several.\n\n"
        + markdown(pl.DataFrame(rows, columns, orient="row"))
    )


def _limits(study: Study, trial: Trial) -> str:
    bias = study.trial_bias(trial.path.as_posix())
    lines = [
        "Measured on the datasets above alone: other domains and longer texts may differ.",
        f"The study trains on {', '.join(sorted(study.trained_languages))}: little is known of"
        " other languages.",
    ]
    kind = study.kinds[trial.strategy]
    if kind.trained and len(kind.trials) == 1:
        lines.append("One training: the intervals do not include chance of training.")
    for dataset, found in bias.items():
        for name, value in found.panel.items():
            lines.append(f"{dataset}, {name}: {value:.3f} (language bias in the pool of all)")
    lines += collapse_notes(readings({trial.strategy: bias}), "this encoder")
    return "\n".join(f"- {escape(line)}" for line in lines)


def _data(study: Study) -> str:
    rows = [
        (
            escape(name),
            data.use,
            escape(data.source),
            escape(_source(data.source).licence),
            escape(_source(data.source).homepage or ""),
        )
        for name, data in study.config.datasets.items()
    ]
    columns = ["dataset", "used to", "source", "licence", "from"]
    return markdown(pl.DataFrame(rows, columns, orient="row"))
