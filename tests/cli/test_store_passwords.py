"""A password in the URL of a store is refused, and the command does not print it."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.small import STUDY, write_study

SYNTHETIC = STUDY[STUDY.index("  source:") : STUDY.index("  scenario: {column")]


@pytest.mark.parametrize("options", [("check",), ("--debug", "check"), ("check", "--json")])
def test_a_key_of_a_store_is_refused_and_not_printed(
    options: tuple[str, ...], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = "  source: {kind: table, path: 's3://KEY:s3cret@bucket/shown'}\n"
    write_study(tmp_path, STUDY.replace(SYNTHETIC, source))
    said = run(*options, "small.yaml")
    assert said.code == 2
    assert "must be a URL without user, key and signature" in said.err + said.out
    assert "s3cret" not in said.err + said.out
    assert not (tmp_path / "hinet.db").exists()
