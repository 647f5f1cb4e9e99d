"""The harness reports each kind of fault, and the next input runs as if nothing had happened."""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.fuzz import explore
from tests.fuzz.commands import typed
from tests.fuzz.explore import Figures, Round, keep, kept
from tests.fuzz.faults import Fault, Outcome, of_text
from tests.fuzz.worker import Limits, Workers

TRAPS = "tests.fuzz.traps"
KINDS = {
    "die": "death",
    "take memory": "memory",
    "leave a process": "left behind",
    "refuse": "traceback",
    "2000": "traceback",
    "print raw": "control character",
}


@pytest.fixture(scope="module")
def impatient() -> Iterator[Workers]:
    """Workers that allow a second of computing and 500 MB, of which imports take 350."""
    with Workers(Limits(cpu_seconds=1.0, most_bytes=500 << 20)) as workers:
        yield workers


@pytest.mark.parametrize("deed", KINDS)
def test_a_fault_is_reported_by_its_kind(impatient: Workers, deed: str) -> None:
    assert impatient.run(TRAPS, deed).kind == KINDS[deed]


def test_the_input_after_a_fault_runs_in_a_fresh_process(impatient: Workers) -> None:
    impatient.run(TRAPS, "die")
    assert impatient.run(TRAPS, "1").what == "refused"


def test_a_hang_is_reported_with_its_place_in_the_code(impatient: Workers) -> None:
    outcome = impatient.run(TRAPS, "compute")
    assert outcome.kind == "hang"
    assert "_compute" in outcome.detail


def test_a_refusal_that_leaves_a_file_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinet_search.cli.commands import status
    from hinet_search.common.errors import DataError

    def leaving(**_: object) -> None:
        Path("left.lock").touch()
        raise DataError("refused")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(status.command, "callback", leaving)
    with pytest.raises(Fault, match="left behind") as caught:
        typed("status")
    assert "left.lock" in caught.value.where


def test_the_smallest_input_that_shows_a_fault_is_kept(
    impatient: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(explore, "SHRINKING", 120.0)
    figures = Figures(TRAPS)
    Round(TRAPS, impatient, figures, time.monotonic() + 60, lambda _: None).run(
        explore.load(TRAPS).inputs(), 0
    )
    (path,) = figures.faults.values()
    assert kept(Path(path)) == (TRAPS, "1001")


def test_a_kept_input_is_read_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore, "FOLDER", tmp_path)
    given = (("a", b"\xff\n"), "\ud800\n'\x1b", (), float("inf"), -float("inf"), None)
    assert kept(keep("study", Outcome("fault", "kind", "where", "detail"), given)) == (
        "study",
        given,
    )


def test_a_traceback_is_known_by_its_last_line_of_ours() -> None:
    package = Path(explore.__file__).parents[2] / "hinet_search"
    text = f'  File "{package}/a.py", line 3, in one\n  File "/x/polars.py", line 4, in two\nValueError: 3 of 4\n'
    assert of_text(text).where == "ValueError a.py:one"


SOUND = [
    (target, name)
    for target in explore.TARGETS
    for name in explore.load(target).SEEDS
    if name.endswith("as it is")
]


@pytest.mark.parametrize(
    ("target", "name"), [*SOUND, ("data", "a definition with a join and statistics")]
)
def test_what_inputs_are_made_from_is_taken(workers: Workers, target: str, name: str) -> None:
    assert "refused" not in workers.run(target, explore.load(target).SEEDS[name]).what


def test_every_change_of_an_exported_folder_finds_what_it_replaces(tmp_path: Path) -> None:
    target = explore.load("export")
    # It forks, and a fork of this process would wait for threads of Polars that it does not have.
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        folder = fresh.submit(target.begin, tmp_path).result()
    replaced = [
        (name, texts[0])
        for _, changes in target.SEEDS.values()
        for name, how, texts in changes
        if how == "replace"
    ]
    assert not [old for name, old in replaced if old not in (folder / name).read_text()]
