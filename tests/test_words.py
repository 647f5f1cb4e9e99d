"""Pages, messages and docs use the field's words, not the private ones that went."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"docs": ".md", "hinet_search": ".py", "studies": ".yaml", "spaces": ".yaml"}
TEXTS = {
    file: file.read_text(encoding="utf-8")
    for folder, suffix in FOLDERS.items()
    for file in sorted((ROOT / folder).rglob(f"*{suffix}"))
}
GONE = {
    "epoch": r"\d passes\b|pass(es)? over (all )?(the )?training|_per_pass\b(?!\"[:,)])",
    "synthetic": r"[Mm]ade[- ]up\b",
    "selection bias, or by chance": r"\b[Ll]uck",
    "Caution:": r"not\s+believe",
    "no significant difference": r"told apart|[Nn]o difference is shown|shown to differ",
    "distilled": r"(?i)(?<!\")taught",
    "0.0150": r"(?<=[\s(+−±`\"'])\.(?!0\W)\d+(?=[\s,;:)`\"'])(?!['\"]\))",
}


@pytest.mark.parametrize("word", GONE)
def test_a_word_that_went_stands_nowhere(word: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}: {match[0]!r}"
        for file, text in TEXTS.items()
        for match in re.finditer(GONE[word], text)
    ]
    assert not found, f"write {word!r}"
