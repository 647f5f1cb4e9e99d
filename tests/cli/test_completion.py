"""The shell completes studies, arms, sizes and files from disk, and the script goes where the shell looks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.small import STUDY, write_study


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, STUDY + "sizes: {tiny: {trials: 1}, whole: {}}\n", "shop")
    (tmp_path / "rows.parquet").touch()
    (tmp_path / "notes.txt").touch()
    return tmp_path


def completed(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    environment = {
        **os.environ, "_HINET_SEARCH_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["hinet-search", *words]),
        "COMP_CWORD": str(len(words)),
    }  # fmt: skip
    code = "import sys; from hinet_search.cli import main; main()"
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return [line.split(",", 1)[1] for line in told.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("la",), ["launch"]),
        (("launch", "quick"), ["quickstart"]),
        (("check", "sh"), ["shop.yaml"]),
        (("export", "sh"), ["shop.yaml"]),
        (("export", "shop.yaml/mm"), ["shop.yaml/mmoe"]),
        (("check", "paper/ab"), ["paper/ablation"]),
        (("check", "shop.yaml", "--size", "t"), ["tiny"]),
        (("describe", "hm"), ["hmoe"]),
        (("describe", "--study", "shop.yaml", ""), ["shared_bottom", "mmoe"]),
        (("check", "--tr"), ["--trials"]),
        (("data", "init", "r"), ["rows.parquet"]),
    ],
)
def test_a_word_is_completed(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


def test_no_database_is_opened_and_nothing_heavy_imported() -> None:
    code = "import sys; from hinet_search.cli._complete import complete_study; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlalchemy", "torch", "polars", "pydantic"} & set(loaded)


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", "share/bash-completion/completions/hinet-search"),
        ("zsh", "share/zsh/site-functions/_hinet-search"),
        ("fish", "config/fish/completions/hinet-search.fish"),
    ],
)
def test_the_script_is_written_where_the_shell_looks(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str, place: str
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    said = run("--install-completion", shell)
    assert said.code == 0, said.err
    assert f"_HINET_SEARCH_COMPLETE={shell}_complete" in (tmp_path / place).read_text()
    assert place in said.out


def test_a_place_that_cannot_be_written_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "share").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    said = run("--install-completion", "bash")
    assert said.code == 4
    assert "cannot be written" in said.err
