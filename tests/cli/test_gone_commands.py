"""Commands, options and formats that 1.0 removed are refused with what to use instead."""

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("data", "init", "--from-fuxictr", "config"), "write the study by hand"),
        (("data", "init", "--from-torcheasyrec", "a.config"), "write the study by hand"),
        (("export", "shop", "-o", "to", "--format", "fuxictr"), "train in that library"),
        (("export", "shop", "-o", "to", "--format", "torcheasyrec"), "train in that library"),
    ],
)
def test_a_gone_word_is_refused_with_what_to_use_instead(
    words: tuple[str, ...], reason: str, run: Run
) -> None:
    said = run(*words)
    assert said.code == 2, said.err
    assert "is gone since 1.0" in said.err
    assert reason in " ".join(said.err.split())
