"""The options of `serve` decide what is served, where, within which limits; wrong ones are refused."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.server.run import ServerOptions
from hinet_search.server.settings import Limits, Listening
from hinet_search.serving.sealed import MANIFEST
from tests.cli.conftest import Run
from tests.serving.requests.exported import write_export

TOKEN = "a-token-of-some-length"


@pytest.fixture(autouse=True)
def no_running_loop() -> Iterator[None]:
    """Playwright's loop runs on in this thread after a browser test, and `serve` has its own."""
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(running)


def like_a_model(folder: Path) -> None:
    """A folder that looks like an exported model at first."""
    folder.mkdir()
    (folder / MANIFEST).touch()


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[ServerOptions]:
    """What would be served of the folder `winner`."""
    like_a_model(tmp_path / "winner")
    served: list[ServerOptions] = []

    def serve(options: ServerOptions, say) -> None:
        served.append(options)
        say("serving")

    monkeypatch.setattr("hinet_search.server.run.serve", serve)
    monkeypatch.delenv("HINET_SEARCH_TOKEN", raising=False)
    return served


def test_without_options_a_folder_is_served_to_this_machine(
    run: Run, given: list[ServerOptions]
) -> None:
    said = run("serve", "winner")
    threads = len(os.sched_getaffinity(0))
    assert given == [ServerOptions(Path("winner"), Listening(), Limits(), threads)]
    assert (said.code, said.out, said.err) == (0, "", "serving\n")


def test_every_option_is_passed_on(run: Run, given: list[ServerOptions]) -> None:
    words = "--host 10.0.0.5 --port 80 --max-rows 5 --max-megabytes 2 --max-requests 3 --threads 4"
    run("serve", "winner", *words.split(), "--watch", "--token", TOKEN)
    assert given == [
        ServerOptions(
            Path("winner"), Listening("10.0.0.5", 80, TOKEN), Limits(5, 2_000_000, 3), 4, watch=True
        )
    ]


def test_quiet_leaves_the_log_out(run: Run, given: list[ServerOptions]) -> None:
    assert run("serve", "winner", "--quiet").err == ""
    assert given


def test_a_token_comes_from_a_file_or_the_environment(
    run: Run, given: list[ServerOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    run("serve", "winner", "--token-file", "token")
    monkeypatch.setenv("HINET_SEARCH_TOKEN", TOKEN)
    run("serve", "winner")
    assert [options.listening.token for options in given] == [TOKEN, TOKEN]


WRONG = {
    "no folder": (
        ("none", "--port", "{free}"),
        3,
        (
            "error: none: must be a folder that hinet-search export wrote, "
            "but there is no such folder"
        ),
    ),
    "no port": (
        ("model", "--port", "0"),
        2,
        "error: --port must be a whole number of at least 1 and at most 65535, got '0'",
    ),
    "no rows": (
        ("model", "--max-rows", "none"),
        2,
        "error: --max-rows must be a whole number of at least 1, got 'none'",
    ),
    "others without a token": (
        ("model", "--host", "10.0.0.5"),
        2,
        "error: --host 10.0.0.5 lets other machines in, so it needs a token",
    ),
    "a short token": (
        ("model", "--token", "secret"),
        2,
        "error: a token must be at least 16 letters, digits or signs, got 6 characters",
    ),
    "a port that is taken": (
        ("model", "--port", "{taken}"),
        4,
        "error: port {taken} of 127.0.0.1 cannot be used: another program listens there",
    ),
}


@pytest.mark.parametrize(("words", "code", "message"), WRONG.values(), ids=WRONG)
def test_wrong_options_are_refused(
    words: tuple[str, ...], code: int, message: str, run: Run, tmp_path: Path
) -> None:
    like_a_model(tmp_path / "model")
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        places = {"taken": taken.getsockname()[1], "free": free.getsockname()[1], "tmp": tmp_path}
        free.close()
        said = run("serve", *(word.format(**places) for word in words))
    assert (said.code, said.err.splitlines()[0]) == (code, message.format(**places))


def test_a_damaged_folder_is_refused(run: Run, tmp_path: Path) -> None:
    folder = write_export(tmp_path / "model")
    (folder / "encoding" / "columns.parquet").unlink()
    said = run("serve", "model", "--port", "18766")
    assert said.code == 3
    assert "columns.parquet: is missing" in said.err


def test_without_the_packages_of_the_extra_it_says_how_to_install_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hinet_search.cli.commands.serve.EXTRA", ("fastapi", "no_such_package"))
    said = run("serve", "winner")
    assert said.code == 4
    assert said.err.splitlines()[:2] == [
        "error: serve needs packages that are not installed: no_such_package",
        "pip install 'hinet-search[serve]'",
    ]
