"""Which sources there are, by name: params.yaml is checked before any source is loaded."""

from __future__ import annotations

import difflib

from polybatch.core.errors import did_you_mean

OWN = ("local", "beir", "text")
"""Sources of the user's own files, which may stand several times, as `local-faq`."""

PUBLISHED = (
    *("afriqa", "belebele", "cldr", "exams", "mafand", "miracl", "mlqa", "mlqa-r"),
    *("mmarco", "mmlu-african", "ntrex", "scifact", "sib200", "tico19", "tydiqa"),
    *("winogrande-african", "xnli", "xquad", "xquad-r"),
)
"""A new source gets its name here; a test holds both against `polybatch.sources.table.SOURCES`."""


def source_mistake(name: str) -> tuple[str, str, str] | None:
    """Return what was found, what is expected and what to do; None for the name of a source.

    Example:
        >>> source_mistake("local-faq")
        >>> [source_mistake(name)[2] for name in ("lokal", "local_faq", "xquadr")]
        ["Did you mean 'local'?", "Write 'local-faq'", "Did you mean 'xquad-r'?"]
    """
    kind, _, rest = name.replace("_", "-").partition("-")
    if name in PUBLISHED or name in OWN or name.partition("-")[0] in OWN:
        return None
    own = ", ".join(f"{each}-<anything>" for each in OWN)
    expected = f"one of {', '.join(sorted((*PUBLISHED, *OWN)))}; several of your own files: {own}"
    if rest and (near := difflib.get_close_matches(kind, OWN, n=1)):
        return "an unknown source", expected, f"Write '{near[0]}-{rest}'"
    do = did_you_mean(name, (*OWN, *PUBLISHED), "Choose one; local-faq is files of your own")
    return "an unknown source", expected, do
