"""Datasets of the Hugging Face hub: their files as they are, at a commit that params name.

The registry cannot pin these by checksum, so the commit does: `sources.<name>.revisions`, one
`owner/name=commit` a repository. A mirror has them as `<source>/<repository's name>/<path>`; the
manifest in data/raw says which bytes were taken.
"""

from __future__ import annotations

import re
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, REJECTED
from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of
from polybatch.sources.manifest import Manifest
from polybatch.sources.source import Fetch, Parsed, Place, Source, Tally
from polybatch.sources.user_files import Columns
from polybatch.sources.user_lines import lines

_COMMIT = re.compile("[0-9a-f]{40}")


class HubSource(Source):
    """A source whose files are in certain dataset repositories of the hub."""

    revision = "the commits that params name"
    on_hub = True
    repositories: tuple[str, ...]

    @abstractmethod
    def wanted(self, languages: Sequence[str], splits: Sequence[str]) -> Mapping[str, list[str]]:
        """Return the paths to fetch of each repository; `*` stands for any part of a name."""

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Copy the files from the mirror or the hub; the manifest has commits and checksums.

        Raises:
            InputError: params do not name a commit of each repository, or its files cannot be had.
        """
        self.check(languages, splits)
        given = commits(self)
        if set(given) != set(self.repositories):
            raise _no_commits(self, self.repositories)
        files = {}
        for repository, paths in self.wanted(languages, splits).items():
            place = repository.rpartition("/")[2]
            taken = copy_repository(
                Repository(repository, given[repository], mirror_of(self, fetch)),
                paths,
                folder / place,
            )
            files.update({f"{place}/{path}": facts for path, facts in taken.items()})
        write_hub_manifest(self, folder, given, files)


class Streams:
    """The tables of a source that is too large for `Rows`, and what became of its rows."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.queries, self.corpus, self.qrels = (Columns(each) for each in (QUERIES, CORPUS, QRELS))
        self._rejected, self.tally = Columns(REJECTED), Tally()

    def reject(
        self, file: str, row: int, reason: str, lang: str | None, name: str, text: str = ""
    ) -> None:
        """Keep a row that cannot be used, with the reason."""
        place = Place(self._name, file, row, lang, name, text).writable()
        self._rejected.add(*place[:5], reason, place.text)
        self.tally.rejected(file)

    def parsed(self, notes: Sequence[str]) -> Parsed:
        """Return the tables, in the order in which rows were added."""
        return Parsed(
            self.queries.frame(),
            self.corpus.frame(),
            self.qrels.frame(),
            self._rejected.frame(),
            tuple(notes),
            tally=self.tally.frame(),
        )


@dataclass(frozen=True)
class Repository:
    """A dataset repository at a commit; `mirror`: the folder that has it instead of the hub."""

    name: str
    commit: str
    mirror: Path | None


def commits(source: Source) -> dict[str, str]:
    """Return the commit of each repository that params name; InputError for anything else."""
    given = (source.settings.revisions if source.settings else None) or ()
    found = dict(each.partition("=")[::2] for each in given)
    if not found or any(not _COMMIT.fullmatch(commit) for commit in found.values()):
        raise _no_commits(source, tuple(found) or ("owner/name",))
    return found


def mirror_of(source: Source, fetch: Fetch) -> Path | None:
    """Return the source's folder in the mirror, where there is a mirror."""
    mirror: Path | None = getattr(fetch, "mirror", None)
    return mirror / source.name.partition("-")[0] if mirror else None


def copy_repository(
    repository: Repository, paths: Sequence[str], folder: Path
) -> dict[str, dict[str, object]]:
    """Copy files of a repository to `folder`; return bytes and sha256 of each path."""
    if repository.mirror:
        origin = repository.mirror / repository.name.rpartition("/")[2]
    else:
        origin = _fetched(repository, paths)
    found: dict[str, dict[str, object]] = {}
    for path in _present(origin, paths, repository):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin / path, target)
        found[path] = {"bytes": target.stat().st_size, "sha256": sha256_of(target)}
    return found


def write_hub_manifest(
    source: Source, folder: Path, given: Mapping[str, str], files: Mapping[str, object]
) -> None:
    """Write which commits and bytes were taken."""
    Manifest(
        source=source.name,
        licence=source.licence,
        citation=source.citation,
        revisions=given,
        files=files,
    ).write(folder)


def _no_commits(source: Source, repositories: Sequence[str]) -> InputError:
    given = (source.settings.revisions if source.settings else None) or ()
    return InputError(
        f"sources.{source.name}.revisions",
        ", ".join(given) or "nothing",
        " and ".join(f"{name}=<commit, 40 hexadecimal digits>" for name in repositories),
        "Copy the commit from the repository's list of commits on the hub",
    )


def _fetched(repository: Repository, paths: Sequence[str]) -> Path:
    try:
        return Path(
            snapshot_download(
                repository.name,
                repo_type="dataset",
                revision=repository.commit,
                allow_patterns=list(paths),
            )
        )
    except (RepositoryNotFoundError, RevisionNotFoundError, GatedRepoError) as error:
        raise InputError(
            f"{repository.name}={repository.commit}",
            f"what the hub does not give ({type(error).__name__})",
            "a commit of a repository that you may read",
            "Correct it; if the repository asks for consent, give it there and log in "
            "(hf auth login)",
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise _no_files(repository, paths, type(error).__name__) from error


def _present(origin: Path, paths: Sequence[str], repository: Repository) -> list[str]:
    """Return the paths that are there, sorted; InputError if a requested one is not."""
    there = (
        sorted(path.relative_to(origin).as_posix() for path in origin.rglob("*") if path.is_file())
        if origin.is_dir()
        else []
    )
    missing = [path for path in paths if not any(fnmatch(name, path) for name in there)]
    if missing:
        raise _no_files(repository, missing, f"not in {origin}")
    return [name for name in there if any(fnmatch(name, path) for path in paths)]


def _no_files(repository: Repository, paths: Sequence[str], why: str) -> InputError:
    return InputError(
        f"{repository.name} at {repository.commit[:12]}",
        f"no {', '.join(paths[:4])}{' and more' if len(paths) > 4 else ''} ({why})",
        "these files",
        "Run where there is a network; or fetch them there (hf download --repo-type dataset) and "
        f"put them into a mirror as <source>/{repository.name.rpartition('/')[2]}/<path> "
        "(POLYBATCH_MIRROR)",
    )


def tab_rows(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    r"""Yield row number and cells of a .tsv without quotes; InputError for another width.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.tsv"
        >>> _ = path.write_text('q1\t"Wapi\n\nq2\tHapa\n')
        >>> list(tab_rows(path, 2))
        [(1, ['q1', '"Wapi']), (3, ['q2', 'Hapa'])]
    """
    for number, line in lines(path):
        cells = line.rstrip("\r\n").split("\t")
        if cells == [""]:
            continue
        if len(cells) != columns:
            raise InputError(
                f"{path}:{number}",
                f"{len(cells)} columns",
                f"{columns}, separated by tabs",
                "Fetch the file again",
            )
        yield number, cells
