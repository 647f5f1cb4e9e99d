"""The harness reports each kind of fault, and the next input runs as if nothing had happened."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import explore
from tests.fuzz.explore import Figures, Round, keep, kept
from tests.fuzz.faults import Outcome
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


def test_a_hang_is_reported_with_its_place_in_the_code(impatient: Workers) -> None:
    outcome = impatient.run(TRAPS, "compute")
    assert outcome.kind == "hang"
    assert "_compute" in outcome.detail


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
