"""Great Expectations: suites kept as JSON, held against a dataset's profile; Data Docs offline.

The suites in `suites/` are built by `build_suites` and written by `python -m
polybatch.validation.expectations`. Thresholds are parameters of a suite; their
values are in params.yaml.
"""

from __future__ import annotations

import html
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import great_expectations as gx
import polars as pl
from great_expectations import expectations as e
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from polybatch.settings.data import DatasetSettings, ValidationSettings
from polybatch.validation.profile import Aggregate

SUITES = ("queries", "corpus", "qrels", "pairs")
_LANGUAGE = "^[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?$"  # as core.languages

_RANDOM = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

Result = dict[str, Any]
"""What Great Expectations says of one suite, without times and random ids."""


def build_suites() -> dict[str, Result]:
    """Return the four suites as JSON values.

    Example:
        >>> sorted(build_suites())
        ['corpus', 'pairs', 'qrels', 'queries']
    """
    texts = [_declared(), _at_least("rows", "min_rows"), *map(_none, ("empty", "not_composed"))]
    texts += [_none("control"), _same("rows", "ids"), _at_least("shortest", "min_characters")]
    texts += [_at_most("longest", "max_characters"), _at_most("duplicates", "max_duplicates")]
    texts += [_at_least("script", "min_script"), _at_least("identified", "min_identified")]
    texts += [e.ExpectColumnValuesToMatchRegex(column="lang", regex=_LANGUAGE)]
    dangling = ("null_ids", "without_document", "without_query", "queries_without_answer")
    qrels = [_same("judgements", "unique"), *map(_none, dangling), _none("queries_twice")]
    qrels += [e.ExpectColumnValuesToBeBetween(column="judgements", min_value=1)]
    pairs = [_declared(), _at_least("fewest_languages", "min_languages")]
    pairs += [_at_most("untranslated", "max_untranslated"), _at_most("rejected", "max_rejected")]
    pairs += [_at_most("cut_answers", "max_cut_answers")]
    pairs += [e.ExpectColumnValuesToBeBetween(column="coverage", min_value=0, strict_min=True)]
    return {
        name: json.loads(
            json.dumps(gx.ExpectationSuite(name=name, expectations=own).to_json_dict())
        )
        for name, own in (("queries", texts), ("corpus", texts), ("qrels", qrels), ("pairs", pairs))
    }


def load_suite(name: str) -> gx.ExpectationSuite:
    """Read a suite that this version ships."""
    text = (
        files("polybatch.validation").joinpath("suites", f"{name}.json").read_text(encoding="utf-8")
    )
    return gx.ExpectationSuite(**json.loads(text))


def hold(
    tables: Mapping[str, Sequence[Aggregate]],
    settings: DatasetSettings,
    validation: ValidationSettings,
) -> dict[str, tuple[Result, str]]:
    """Return, a suite, its result and its Data Docs page, which needs no network.

    `tables`: the rows of a `polybatch.validation.profile.Profile`.
    """
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    for module in ("data_context", "data_context.types.base"):  # which set a level of their own
        logging.getLogger(f"great_expectations.{module}").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    given = asdict(validation) | {"languages": list(settings.languages)}
    given["min_rows"] = validation.least_rows(settings.use)
    found = {}
    for name in (suite for suite in SUITES if suite in tables):
        frame = pl.DataFrame(list(tables[name]), infer_schema_length=None).to_pandas()
        suite = context.suites.add(load_suite(name))
        asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
        batch = asset.add_batch_definition_whole_dataframe("all")
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        outcome = context.validation_definitions.add(definition).run(
            batch_parameters={"dataframe": frame},
            expectation_parameters=given,
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": ["lang"] if "lang" in frame else [],
            },
        )
        page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(outcome))
        found[name] = _lasting(outcome.to_json_dict()), offline(page)
    return found


def broken(results: Mapping[str, tuple[Result, str]]) -> list[tuple[str, str, str]]:
    """Return (suite and column, what was found, what was expected) of each broken expectation.

    Example:
        >>> config = {"kwargs": {"column": "rows", "min_value": 64}}
        >>> row = {"success": False, "expectation_config": config}
        >>> row["result"] = {"unexpected_list": [5]}
        >>> broken({"queries": ({"results": [row]}, "the page")})
        [('queries.rows', '5', 'at least 64')]
    """
    failures = []
    for name, (result, _) in results.items():
        for each in result["results"]:
            if not each["success"]:
                arguments = each["expectation_config"]["kwargs"]
                columns = [arguments.get(key) for key in ("column", "column_A", "column_B")]
                where = f"{name}.{' and '.join(filter(None, columns))}"
                failures.append((where, _found(each), _expected(each)))
    return failures


def offline(page: str) -> str:
    """Return a Data Docs page without scripts, times, and anything fetched from elsewhere.

    What needs a script or another page of Data Docs goes, too; a link to the index comes.

    Example:
        >>> offline('<body><script src="x.js"></script><a href="https://a.org">a</a></body>')
        '<body><p><a href="index.html">All expectations</a></p>a</body>'
    """
    page = re.sub(r"(?s)<script\b.*?</script>", "", page)
    page = re.sub(r"<link\b[^>]*>|<img\b[^>]*\bsrc=\"http[^>]*>", "", page)
    page = re.sub(r"(?s)<a\b[^>]*href=\"https?:[^>]*>(.*?)</a>", r"\1", page)
    page = re.sub(r"(?s)<a\b[^>]*href=\"\.\./[^>]*>(.*?)</a>", r"\1", page)
    page = re.sub(r"(?s)<footer>.*?</footer>|Data asset: None<br>", "", page)
    page = re.sub(r"(<body\b[^>]*>)", r'\1<p><a href="index.html">All expectations</a></p>', page)
    page = re.sub(r"\d{4}-?\d\d-?\d\dT\d\d:?\d\d:?\d\d(?:\.\d+)?Z", "", page)
    for number, name in enumerate(dict.fromkeys(re.findall(_RANDOM, page))):
        page = page.replace(name, str(number))
    return page.replace("</head>", f"<style>{_STYLE}</style></head>", 1)


def index(pages: Sequence[tuple[str, str, bool]]) -> str:
    """Return the page that leads to the others: (dataset, suite, whether it holds) each.

    Example:
        >>> "faq: qrels</a>: <b>broken</b></li>" in index([("faq", "qrels", False)])
        True
    """
    lines = [
        f'<li><a href="{html.escape(name)}.{suite}.html">{html.escape(name)}: {suite}</a>: '
        f"{'holds' if good else '<b>broken</b>'}</li>"
        for name, suite, good in pages
    ]
    title = "Expectations of the data"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><ul>{''.join(lines)}</ul>"
        "</body></html>\n"
    )


_STYLE = (
    "body{font:16px/1.4 system-ui,sans-serif;margin:2em;max-width:70em}"
    "table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.2em .6em;"
    "vertical-align:top}.modal,.ge-walkthrough,.d-none,[id*=walkthrough],.btn-group-toggle,"
    ".card:has(.btn-group-toggle),.lead,div:has(> p > [data-toggle=collapse]){display:none}"
    ".fa-check-circle::before{content:'✓ '}.fa-times::before{content:'✗ '}"
    ".fa-exclamation-triangle::before{content:'! '}.fas{font-style:normal}"
    ".text-success{color:#060}.text-danger{color:#a00}"
)


def _declared() -> Any:
    return e.ExpectColumnValuesToBeInSet(column="lang", value_set={"$PARAMETER": "languages"})


def _none(column: str) -> Any:
    return e.ExpectColumnValuesToBeBetween(column=column, min_value=0, max_value=0)


def _at_least(column: str, name: str) -> Any:
    return e.ExpectColumnValuesToBeBetween(column=column, min_value={"$PARAMETER": name})


def _at_most(column: str, name: str) -> Any:
    return e.ExpectColumnValuesToBeBetween(column=column, max_value={"$PARAMETER": name})


def _same(one: str, other: str) -> Any:
    return e.ExpectColumnPairValuesToBeEqual(column_A=one, column_B=other)


def _lasting(result: Result) -> Result:
    """Return a result without what changes from run to run."""
    kept: Result = {"success": result["success"], "statistics": result["statistics"]}
    kept["suite"], kept["results"] = result["suite_name"], []
    for each in result["results"]:
        config = {key: each["expectation_config"][key] for key in ("type", "kwargs", "severity")}
        config["kwargs"].pop("batch_id", None)
        kept["results"].append(
            {"success": each["success"], "expectation_config": config, "result": each["result"]}
            | ({"raised": each["exception_info"]} if not each["result"] else {})
        )
    return kept


def _found(each: Result) -> str:
    bad = each["result"].get("unexpected_index_list") or each["result"].get("unexpected_list", [])
    rows = [
        ", ".join(f"{key} {value}" for key, value in row.items() if key != "lang")
        + (f" ({row['lang']})" if "lang" in row else "")
        if isinstance(row, dict)
        else str(row)
        for row in bad
    ]
    return "; ".join(rows[:5]) + (f"; and {len(rows) - 5} more" if len(rows) > 5 else "")


def _expected(each: Result) -> str:
    arguments = each["expectation_config"]["kwargs"]
    if "column_A" in arguments:
        return f"{arguments['column_A']} equal to {arguments['column_B']}"
    if "value_set" in arguments:
        return f"some of {', '.join(map(str, arguments['value_set']))}"
    if "regex" in arguments:
        return "BCP-47 codes"
    low, high = (_plain(arguments.get(key)) for key in ("min_value", "max_value"))
    least = "more than" if arguments.get("strict_min") else "at least"
    return " and ".join(
        f"{word} {value}" for word, value in ((least, low), ("at most", high)) if value is not None
    )


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_suites(folder: Path) -> None:
    """Write every suite as `<name>.json`, sorted and indented."""
    for name, suite in build_suites().items():
        text = json.dumps(suite, indent=2, sort_keys=True) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_suites(Path(__file__).with_name("suites"))
