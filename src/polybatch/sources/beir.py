"""Any dataset in BEIR's form (Thakur et al., arXiv 2104.08663), the user's own or on the hub.

`corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and `qrels/<split>.tsv`
(query-id, corpus-id, score), each also as .gz. Several languages: one such folder a language,
named by its code; a query id that stands in several languages is one item.

From the hub: `revisions: [mteb/scifact=<commit>]`, or, where judgements are a repository of their
own, `[BeIR/scifact=<commit>, BeIR/scifact-qrels=<commit>]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.sources.beir_tables import BeirTables
from polybatch.sources.hub import (
    Repository,
    commits,
    copy_repository,
    mirror_of,
    write_hub_manifest,
)
from polybatch.sources.manifest import Manifest
from polybatch.sources.source import Fetch, Parsed, Source
from polybatch.sources.user_folder import check_names, copy_files, named


class Beir(Source):
    """A folder of BEIR's form: documents no query asks for are in the pool as well."""

    name, own, on_hub = "beir", True, True
    languages: tuple[str, ...] = ()
    splits = ("train", "dev", "test")
    licence = "the dataset's own"
    citation = "Thakur et al.: BEIR. NeurIPS 2021 Datasets and Benchmarks, arXiv 2104.08663"
    homepage = "https://github.com/beir-cellar/beir"
    revision = "the files' checksums"

    def check(self, languages: Sequence[str], splits: Sequence[str]) -> None:
        """Accept any language and split: the files decide, and `read` says what they lack."""

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Copy the files of `sources.<name>.folder`; the manifest has their checksums.

        Raises:
            InputError: `columns`, which BEIR fixes; no file, or a name that is not UTF-8.
        """
        assert self.settings is not None
        if self.settings.columns:
            raise InputError(
                f"sources.{self.name}.columns", "some", "none: BEIR's are fixed", "Remove it"
            )
        if self.settings.revisions:
            self._from_hub(folder, splits, fetch)
            return
        assert self.settings.folder is not None
        files = copy_files(Path(self.settings.folder), folder, self.name)
        check_names(files, self.name)
        given = self.settings.folder
        Manifest(source=self.name, citation=self.citation, folder=given, files=files).write(folder)

    def _from_hub(self, folder: Path, splits: Sequence[str], fetch: Fetch) -> None:
        given, files = commits(self), {}
        apart = any(name.endswith("-qrels") for name in given)
        texts = ["corpus.jsonl*", "queries.jsonl*"]
        for name, commit in given.items():
            judgements = name.endswith("-qrels")
            paths = [f"{split}.tsv*" for split in splits] if judgements else list(texts)
            if not apart:
                paths += [f"qrels/{split}.tsv*" for split in splits]
            place = folder / "files" / ("qrels" if judgements else "")
            repository = Repository(name, commit, mirror_of(self, fetch))
            taken = copy_repository(repository, paths, place)
            files.update({f"{name}/{path}": facts for path, facts in taken.items()})
        write_hub_manifest(self, folder, given, files)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read all documents, and the queries and judgements of the splits.

        InputError where a language ends with no query or no document.
        """
        tables = BeirTables(self.name, folder / "files", splits)
        with named(folder / "files", Manifest.read(folder).folder):
            for lang in languages:
                tables.add(_place(folder / "files", lang, languages), lang)
            return tables.parsed()


def _place(folder: Path, lang: str, languages: Sequence[str]) -> Path:
    if (folder / lang).is_dir():
        return folder / lang
    if len(languages) > 1:
        raise InputError(
            folder,
            f"no folder {lang}",
            f"a folder of BEIR's form for each of {', '.join(languages)}",
            "Add it, or name one language only",
        )
    return folder
