"""Commands, options and formats that 1.0 removed are refused with what to use instead."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.small import STUDY, write_study


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("data", "init", "--from-fuxictr", "config"), "write the study by hand"),
        (("data", "init", "sqlite:///shop.db", "--table", "shown"), "as Parquet, and name that"),
        (("serve", "winner"), "docs/ship.md has a recipe for it"),
        (("export", "shop", "-o", "to", "--format", "torch"), "take onnx"),
        (("export", "shop", "-o", "to", "--weights", "fp16"), "graphs hold fp32"),
        (("--install-completion",), "click's own completion"),
        (("nightly", "winner", "rows.parquet"), "train STUDY --rows TABLE"),
        (("data", "get", "kuairand-1k", "--from", "raw", "-o", "out"), "its rows as Parquet"),
        (("launch", "shop", "--dry-run"), "hinet-search check STUDY"),
        (("launch", "shop", "--no-progress"), "CI=1 prints plain lines"),
        (("dashboard", "--writable"), "pages only read"),
    ],
)
def test_a_gone_word_is_refused_with_what_to_use_instead(
    words: tuple[str, ...], reason: str, run: Run
) -> None:
    said = run(*words)
    assert said.code == 2, said.err
    assert "is gone since 1.0" in said.err
    assert reason in " ".join(said.err.split())


def test_a_study_of_a_query_is_refused_with_what_to_use_instead(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    of_rows = STUDY[STUDY.index("  source:") : STUDY.index("  scenario: {column")]
    query = "  source: {kind: sql, url: 'sqlite:///shop.db', table: shown}\n"
    write_study(tmp_path, STUDY.replace(of_rows, query))
    said = run("check", "small.yaml")
    assert said.code == 2, said.err
    assert "'sql' is gone since 1.0: write the rows" in " ".join(said.err.split())
