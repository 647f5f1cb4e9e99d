"""The options of `dashboard` decide where it listens and whom it admits."""

from pathlib import Path

import pytest

from hinet_search.dashboard.access import Access
from tests.cli.conftest import Run

TOKEN = "a-token-of-some-length"
Given = list[tuple[str, Access]]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    """What would be served: (database, access)."""
    served: Given = []

    def serve(url: str, access: Access, say, study: str | None) -> None:
        served.append((url, access))
        say("http://127.0.0.1:8080")

    monkeypatch.setattr("hinet_search.dashboard.server.serve", serve)
    monkeypatch.delenv("HINET_SEARCH_TOKEN", raising=False)
    return served


def test_without_options_it_reads_the_default_database_on_this_machine(
    run: Run, given: Given
) -> None:
    said = run("dashboard")
    assert given == [(".hinet-search/studies.sqlite3", Access())]
    assert (said.code, said.out) == (0, "")
    assert said.err == "http://127.0.0.1:8080  read-only, this machine only (Ctrl-C stops it)\n"


def test_host_port_and_names_are_passed_on(run: Run, given: Given) -> None:
    words = "--host 0.0.0.0 --port 80 --host-name a.example --host-name b"
    run("dashboard", *words.split())
    assert given[0][1] == Access("0.0.0.0", 80, ("a.example", "b"))


def test_a_token_comes_from_the_environment(
    run: Run, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINET_SEARCH_TOKEN", TOKEN)
    said = run("dashboard")
    assert given[0][1].token == TOKEN
    assert TOKEN not in said.out + said.err
    assert "anyone with the token" in said.err


def test_a_token_comes_from_a_file(run: Run, given: Given, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    run("dashboard", "--token-file", "token")
    assert given[0][1].token == TOKEN


def test_an_empty_token_file_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    said = run("dashboard", "--token-file", "token")
    assert (said.code, said.err.splitlines()[0]) == (
        2,
        "error: a token must be at least 16 letters, digits or signs, got 0 characters",
    )


def test_others_are_not_let_in_without_a_token(run: Run) -> None:
    said = run("dashboard", "--host", "10.0.0.5")
    assert (said.code, said.err.splitlines()[0]) == (
        2,
        "error: --host 10.0.0.5 lets other machines in, so it needs a token",
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "must hold text in UTF-8, got other bytes"),
        (b"x" * 4097, "must hold a token of at most 4096 bytes, got more"),
    ],
    ids=["bytes", "too much"],
)
def test_a_token_file_without_a_token_is_reported(
    run: Run, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "token").write_bytes(content)
    said = run("dashboard", "--token-file", "token")
    assert (said.code, said.err.splitlines()[0]) == (2, f"error: --token-file: token {words}")
