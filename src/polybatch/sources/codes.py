"""The publishers' words for languages (ISO 639-3) as BCP-47, which takes the shortest code."""

from __future__ import annotations

from collections.abc import Iterable

_SHORT = {
    "amh": "am", "arb": "ar", "ben": "bn", "deu": "de", "ell": "el", "eng": "en", "fin": "fi",
    "ewe": "ee", "fra": "fr", "hau": "ha", "hin": "hi", "ibo": "ig", "ind": "id", "jpn": "ja",
    "kin": "rw", "kor": "ko", "nya": "ny", "rus": "ru", "som": "so", "spa": "es", "swa": "sw",
    "swh": "sw", "tam": "ta", "tel": "te", "tha": "th", "tur": "tr", "twi": "tw", "vie": "vi",
    "wol": "wo", "yor": "yo", "zho": "zh", "zul": "zu",
    "afr": "af", "als": "sq", "asm": "as", "azj": "az", "bam": "bm", "bod": "bo", "bul": "bg",
    "cat": "ca", "ces": "cs", "dan": "da", "est": "et", "eus": "eu", "gaz": "om", "grn": "gn",
    "guj": "gu", "hat": "ht", "heb": "he", "hrv": "hr", "hun": "hu", "hye": "hy", "isl": "is",
    "ita": "it", "jav": "jv", "kan": "kn", "kat": "ka", "kaz": "kk", "khk": "mn", "khm": "km",
    "kir": "ky", "lao": "lo", "lin": "ln", "lit": "lt", "lug": "lg", "lvs": "lv", "mal": "ml",
    "mar": "mr", "mkd": "mk", "mlt": "mt", "mri": "mi", "mya": "my", "nld": "nl", "nob": "nb",
    "npi": "ne", "ory": "or", "pan": "pa", "pbt": "ps", "pes": "fa", "plt": "mg", "pol": "pl",
    "por": "pt", "ron": "ro", "sin": "si", "slk": "sk", "slv": "sl", "sna": "sn", "snd": "sd",
    "sot": "st", "srp": "sr", "ssw": "ss", "sun": "su", "swe": "sv", "tgk": "tg", "tgl": "tl",
    "tir": "ti", "tsn": "tn", "tso": "ts", "ukr": "uk", "urd": "ur", "uzn": "uz", "xho": "xh",
    "zsm": "ms",
}  # fmt: skip


def bcp47(word: str) -> str:
    """Return the code of a publisher's word; script and region after it are dropped.

    Example:
        >>> [bcp47(word) for word in ("hau", "zho_Hans", "eng-US", "bem")]
        ['ha', 'zh', 'en', 'bem']
    """
    code = word.replace("_", "-").partition("-")[0]
    return _SHORT.get(code, code)


def by_language(words: Iterable[str]) -> dict[str, str]:
    """Return the publisher's word of each BCP-47 code.

    Example:
        >>> by_language(["hau", "bem"])
        {'ha': 'hau', 'bem': 'bem'}
    """
    found: dict[str, str] = {}
    for word in words:
        code = bcp47(word)
        assert code not in found, f"{word} and {found[code]} are both {code}"
        found[code] = word
    return found
