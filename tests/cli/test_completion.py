"""The shell completes studies, arms, sizes and files from disk, by the script that click prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small import STUDY, write_study


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    text = f"{STUDY}sizes: {{tiny: {{trials: 1}}, whole: {{}}}}\nvariants: {{near: {{}}, far: {{}}}}\nteaching: auto\nensemble: true\n"
    write_study(tmp_path, text, "shop")
    (tmp_path / "rows.parquet").touch()
    (tmp_path / "notes.txt").touch()
    return tmp_path


def printed(environment: dict[str, str]) -> str:
    """What hinet-search prints on stdout with these variables set."""
    code = "from hinet_search.cli import main; main()"
    words, variables = [sys.executable, "-c", code], {**os.environ, **environment}
    return subprocess.run(words, env=variables, capture_output=True, text=True, check=False).stdout


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    line = {"COMP_WORDS": " ".join(["hinet-search", *words]), "COMP_CWORD": str(len(words))}
    offered = printed({"_HINET_SEARCH_COMPLETE": "bash_complete", **line})
    return [line.split(",", 1)[1] for line in offered.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("la",), ["launch"]),
        (("launch", "quick"), ["quickstart"]),
        (("check", "sh"), ["shop.yaml"]),
        (("export", "sh"), ["shop.yaml"]),
        (("export", "shop.yaml/mm"), ["shop.yaml/mmoe"]),
        (("export", "shop.yaml/taught_m"), ["shop.yaml/taught_mmoe"]),
        (("export", "shop.yaml/e"), ["shop.yaml/ensemble"]),
        (("check", "paper/ab"), ["paper/ablation"]),
        (("check", "shop.yaml", "--size", "t"), ["tiny"]),
        (("launch", "shop.yaml", "--variant", ""), ["near", "far"]),
        (("describe", "hm"), ["hmoe"]),
        (("describe", "--study", "shop.yaml", ""), ["shared_bottom", "mmoe"]),
        (("check", "--tr"), ["--trials"]),
        (("data", "init", "r"), ["rows.parquet"]),
    ],
)
def test_a_word_is_completed(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


def test_no_database_is_opened_and_nothing_heavy_imported() -> None:
    code = "import sys; from hinet_search.cli.completion import complete_study; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"sqlalchemy", "torch", "polars", "pydantic"} & set(loaded)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_click_prints_the_script_of_a_shell(shell: str) -> None:
    assert f"_HINET_SEARCH_COMPLETE={shell}_complete" in printed(
        {"_HINET_SEARCH_COMPLETE": f"{shell}_source"}
    )
