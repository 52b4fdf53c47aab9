"""The sections `sources`, `datasets` and `validation` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from polybatch.settings.types import (
    EXACT,
    Count,
    Share,
    Words,
    in_range,
)

NO_FOLDER = "inputs/none"
"""What `folder` says where there are no files of one's own: DVC depends on a folder in any case."""


@dataclass(frozen=True, config=EXACT)
class SourceSettings:
    """What to fetch of a source: languages (BCP-47) and splits, both by the source's own names.

    `folder`: where the user's own files are, inside `inputs/`; `inputs/none` for all other sources.
    `columns`: what their columns are called, `field=name` each (`polybatch.sources.local`).
    `revisions`: of a source on the hub, `owner/name=commit` each. `sample`: how much of a large
    one, documents or items a language, is taken beside what is judged; all where it is left out.
    """

    languages: Words
    splits: Words
    folder: str | None = None
    columns: Words | None = None
    revisions: Words | None = None
    sample: Annotated[int | None, in_range(0, 100_000_000)] = None


@dataclass(frozen=True, config=EXACT)
class DatasetSettings:
    """What a dataset takes from a source, and what for.

    `part`: `all`, or `train` / `heldout` of a split by group (article, territory): the share of
    groups `heldout_share` goes to `heldout`, no group is in both; documents without a query
    are searched in `heldout`. `use: text`: the corpus side
    only, as domain text for `dapt.texts`.
    """

    source: str
    use: Literal["train", "evaluate", "text"]
    languages: Words
    splits: Words
    part: Literal["all", "train", "heldout"]
    heldout_share: Annotated[float, in_range(0.0, 0.9)]


@dataclass(frozen=True, config=EXACT)
class MinRows:
    """Queries, and documents, that a language needs: to train (or adapt) on, and to evaluate on."""

    train: Count
    evaluate: Count


@dataclass(frozen=True, config=EXACT)
class ValidationSettings:
    """What data has to be before anything is trained or measured on it.

    `leakage`: what happens to training items whose text stands in an evaluation dataset.
    `near_duplicate`: from which share of common character trigrams (Jaccard) on two texts count as
    the same one; 1 finds equal texts only; less than 0.7 would miss too many. `contained`: from
    which share of the shorter one's shingles (eight characters) on a text stands inside another, if
    it has `contained_characters` or more (30 where texts are not templated; more than any text has
    finds none).
    `min_languages`: an item in fewer is rejected. `min_rows`: queries, and documents, a language
    needs; one number for all uses, or `train` and `evaluate` apart. `min_characters`,
    `max_characters`: of a text; a row outside is rejected. Shares are of a language's rows in one
    table: rejected ones, texts that stand twice or in another language of their item, answers that
    their document does not hold whole (where a publisher marks answers), texts in the language's
    script, texts that language identification agrees on (`identified_rows` are tried).
    """

    leakage: Literal["remove", "fail", "report"]
    near_duplicate: Annotated[float, in_range(0.7, 1.0)]
    contained: Annotated[float, in_range(0.5, 1.0)]
    contained_characters: Annotated[int, in_range(20, 1_000_000)]
    min_languages: Annotated[int, in_range(1, 1000)]
    min_rows: MinRows | Count
    min_characters: Annotated[int, in_range(1, 1000)]
    max_characters: Annotated[int, in_range(1, 1_000_000)]
    max_rejected: Share
    max_duplicates: Share
    max_untranslated: Share
    max_cut_answers: Share
    min_script: Share
    min_identified: Share
    identified_rows: Count

    def least_rows(self, use: str) -> int:
        """Return `min_rows` of a dataset with this `use`.

        Example:
            >>> rows = MinRows(train=64, evaluate=5)
            >>> rules = ValidationSettings("fail", 1, 1, 30, 1, rows, 1, 99, 0, 0, 0, 0, 0, 0, 50)
            >>> rules.least_rows("evaluate"), rules.least_rows("text")
            (5, 64)
        """
        if isinstance(self.min_rows, int):
            return self.min_rows
        return self.min_rows.evaluate if use == "evaluate" else self.min_rows.train
