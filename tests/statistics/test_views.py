"""Which lists a view averages, by hand; scripts from CLDR."""

from __future__ import annotations

import numpy as np
import polars as pl

from polybatch.statistics.breakdowns import (
    LISTS,
    language_views,
    lay_out,
    membership,
    pool_views,
    script_of,
    script_views,
    seen_views,
    setting_views,
)

LANGS = ("el", "en", "es")
TABLE = pl.DataFrame(
    [("cross", a, b) for a in LANGS for b in LANGS if a != b]
    + [("mono", a, a) for a in LANGS]
    + [("multi", a, "mul") for a in LANGS]
    + [("multi", "mul", "mul")],
    LISTS,
    orient="row",
)


def test_settings_hold_what_the_metrics_hold() -> None:
    sizes = {view.setting: len(view.lists) for view in setting_views(TABLE)}
    assert sizes == {"mono": 3, "cross": 6, "multi": 3}
    assert membership(TABLE, setting_views(TABLE)).sum(axis=0).tolist() == [3, 6, 3]
    assert [view.lists for view in pool_views(TABLE)] == [(("mul", "mul"),)]


def test_languages_by_what_is_asked_and_by_what_answers() -> None:
    views = {(view.kind, view.setting, view.group): view.lists for view in language_views(TABLE)}
    assert len(views) == 4 * 3
    assert views["query language", "cross", "en"] == (("en", "el"), ("en", "es"))
    assert views["document language", "cross", "en"] == (("el", "en"), ("es", "en"))
    assert views["query language", "multi", "es"] == (("es", "mul"),)


def test_seen_languages_apart_from_the_others() -> None:
    views = {
        (view.setting, view.group): view.lists for view in seen_views(TABLE, "k", {"en", "es"})
    }
    assert views["cross", "both seen"] == (("en", "es"), ("es", "en"))
    assert len(views["cross", "one seen"]) == 4
    assert ("cross", "none seen") not in views
    one = {(view.setting, view.group): view.lists for view in seen_views(TABLE, "k", {"es"})}
    assert one["cross", "none seen"] == (("el", "en"), ("en", "el"))
    assert views["mono", "unseen"] == (("el", "el"),)
    assert views["multi", "seen"] == (("en", "mul"), ("es", "mul"))


def test_scripts_apart() -> None:
    views = {view.group: len(view.lists) for view in script_views(TABLE)}
    assert views == {"same script": 2, "two scripts": 4}
    scripts = {lang: script_of(lang) for lang in ("ar", "hi", "ru", "th", "vi", "sw", "am", "ja")}
    assert scripts == {
        "ar": "Arab", "hi": "Deva", "ru": "Cyrl", "th": "Thai",
        "vi": "Latn", "sw": "Latn", "am": "Ethi", "ja": "Jpan",
    }  # fmt: skip
    assert (script_of("sr-Latn"), script_of("pt-BR")) == ("Latn", "Latn")


def test_a_layout_adds_the_pool_up_and_counts_what_is_missing() -> None:
    keys = pl.DataFrame(
        {
            "setting": ["mono", "multi", "multi", "mono"],
            "query_lang": ["en", "en", "sw", "en"],
            "doc_lang": ["en", "mul", "mul", "en"],
            "item_id": ["b", "b", "b", "a"],
        }
    )
    layout = lay_out(keys)
    assert layout.lists.rows() == [
        ("mono", "en", "en"), ("multi", "en", "mul"),
        ("multi", "sw", "mul"), ("multi", "mul", "mul"),
    ]  # fmt: skip
    assert layout.counts.tolist() == [[1, 0, 0, 0], [1, 1, 1, 2]]
    sums = layout.sums(np.array([0.1, 0.2, 0.3, 0.4]))
    assert np.allclose(sums, [[0.4, 0, 0, 0], [0.1, 0.2, 0.3, 0.5]])
