"""A running study shows its password nowhere, listens on no address, and creates no folder that others can enter."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from hinet_search.storage.engine import connect
from tests.security.passwords import asking_server, shown
from tests.security.processes import command_lines, launching, listening, mode, tree
from tests.small import STUDY, write_study
from tests.waiting import wait_until

pytestmark = pytest.mark.postgres
TEXT = (
    STUDY.replace("rows: 4000", "rows: 20000")
    .replace("trials: 3", "trials: 1")
    .replace("{shared_bottom: , mmoe: }", "{shared_bottom: }")
)


@dataclass
class Watched:
    """What the machine shows of a study from its beginning to its end."""

    folder: Path
    url: str
    modes: dict[str, str] = field(default_factory=dict)
    sockets: set[str] = field(default_factory=set)
    command_lines: set[bytes] = field(default_factory=set)
    looks_at_sockets: int = 0
    processes: int = 0
    said: str = ""

    def look(self, process: int) -> None:
        """Look once."""
        self.modes |= _modes(self.folder)
        self.command_lines |= command_lines(process)
        self.processes = max(self.processes, len(tree(process)))
        if any("/checkpoints/" in name for name in self.modes):
            with suppress(OSError):  # it has just ended
                self.sockets |= set(listening(process))
                self.looks_at_sockets += 1


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A study that was launched where every file may be read by all, with a password in its environment."""
    folder = tmp_path_factory.mktemp("watched")
    write_study(folder, TEXT)
    with asking_server(tmp_path_factory.mktemp("secrets")) as url:
        seen = Watched(folder, url)
        environment = {"HINET_SEARCH_STORAGE": url, "HINET_SEARCH_CHECKPOINT_SECONDS": "0"}
        with launching(folder, "launch", "small.yaml", umask=0, **environment) as study:

            def has_ended() -> bool:
                seen.look(study.pid)
                return study.poll() is not None

            wait_until(has_ended, pause=0.05)
            seen.said = study.stdout.read()
        assert study.returncode == 0, seen.said
        assert seen.processes >= 3, "the coordinator and two slots"
        yield seen


def test_a_password_from_the_environment_is_seen_nowhere(watched: Watched) -> None:
    assert shown(watched.url), "what is looked for can be found"
    page = (watched.folder / "reports" / "small.html").read_text(encoding="utf-8")
    files = [
        path.read_bytes().decode("latin-1") for path in watched.folder.rglob("*") if path.is_file()
    ]
    for place in (str(watched.command_lines), watched.said, page, _all_rows(watched.url), *files):
        assert shown(place) == []


def _all_rows(url: str) -> str:
    """Everything in every table."""
    database = connect(url)
    with database.reading() as connection:
        tables = inspect(connection).get_table_names()
        rows = {name: connection.execute(text(f'SELECT * FROM "{name}"')).all() for name in tables}
    database.close()
    assert len(rows["hs_study"]) == 1
    return str(rows)


def test_a_running_study_listens_nowhere(watched: Watched) -> None:
    assert watched.looks_at_sockets > 0
    assert watched.sockets == set()


def test_a_study_makes_no_folder_that_others_can_enter(watched: Watched) -> None:
    kinds = {name.split("/")[1] for name in watched.modes if "/" in name}
    assert kinds == {"cache", "artifacts"}
    assert any("/checkpoints/shared_bottom/" in name for name in watched.modes), (
        "checkpoints were kept while it ran"
    )
    assert set(watched.modes.values()) == {"0o700"}


def _modes(folder: Path) -> dict[str, str]:
    """Every folder of the study that is there now, and its mode."""
    modes = {}
    for place, folders, _ in os.walk(folder / ".hinet-search"):
        for path in (Path(place), *(Path(place) / name for name in folders)):
            try:
                modes[str(path.relative_to(folder))] = mode(path)
            except FileNotFoundError:  # checkpoints go as their training ends
                continue
    return modes
