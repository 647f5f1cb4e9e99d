"""The command line that is stored and shown with a study."""

import pytest

from hinet_search.cli.commands.launch import _written
from hinet_search.study.launch_options import LaunchOptions

SECRET = "postgresql://me:s3cret@db/studies"


def written(monkeypatch: pytest.MonkeyPatch, *words: str, storage: str | None) -> str:
    monkeypatch.setattr("sys.argv", ["/venv/bin/hinet-search", *words])
    return _written(LaunchOptions(storage=storage))


@pytest.mark.parametrize("words", [("--storage", SECRET), (f"--storage={SECRET}",)])
def test_the_password_of_a_database_is_not_in_the_command(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    command = written(monkeypatch, "launch", "shop", *words, storage=SECRET)
    assert "s3cret" not in command
    assert "me:***@db/studies" in command


@pytest.mark.parametrize("storage", [None, "runs/my studies.db", "postgresql://me@db/studies"])
def test_a_command_without_a_password_is_kept_as_it_was_typed(
    monkeypatch: pytest.MonkeyPatch, storage: str | None
) -> None:
    words = ["launch", "shop", *(["--storage", storage] if storage else [])]
    quoted = "'runs/my studies.db'" if storage and " " in storage else storage
    expected = "hinet-search launch shop" + (f" --storage {quoted}" if storage else "")
    assert written(monkeypatch, *words, storage=storage) == expected
