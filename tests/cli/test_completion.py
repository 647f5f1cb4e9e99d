"""The shell completes studies, arms, sizes and files from disk, by the script that is installed."""

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


def installed(home: Path, *words: str, **variables: str) -> tuple[int, str]:
    """The exit code and all that is printed with this home."""
    code = "from hinet_search.cli import main; main()"
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **variables}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".local/share/bash-completion/completions/hinet-search"),
        ("zsh", ".zfunc/_hinet-search"),
        ("fish", ".config/fish/completions/hinet-search.fish"),
    ],
)
def test_the_script_is_written_to_where_the_shell_looks(
    folder: Path, shell: str, file: str
) -> None:
    for _ in range(2):  # again over the first
        code, text = installed(folder, "--install-completion", SHELL=f"/usr/bin/{shell}")
        assert code == 0
        assert f"wrote {folder / file}: new shells complete commands" in text
    assert f"_HINET_SEARCH_COMPLETE={shell}_complete" in (folder / file).read_text()


def test_bash_completes_by_the_written_script(folder: Path) -> None:
    assert installed(folder, "--install-completion", "bash")[0] == 0
    file = folder / ".local/share/bash-completion/completions/hinet-search"
    asked = ["bash", "--norc", "-c", 'source "$0"; complete -p hinet-search', str(file)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert "_hinet_search_completion" in said


def test_another_folder_of_the_user_is_kept_to(folder: Path) -> None:
    installed(folder, "--install-completion", "fish", XDG_CONFIG_HOME=str(folder / "settings"))
    assert (folder / "settings/fish/completions/hinet-search.fish").is_file()
    assert not (folder / ".config").exists()


@pytest.mark.parametrize("words", [("--install-completion", "tcsh"), ("--install-completion",)])
def test_another_shell_is_refused_with_those_that_are_known(
    folder: Path, words: tuple[str, ...]
) -> None:
    code, text = installed(folder, *words, SHELL="/bin/tcsh")
    assert code == 2
    assert "the shell must be one of bash, zsh, fish, got 'tcsh'" in text
    assert "Next: hinet-search --help" in text
