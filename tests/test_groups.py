"""Every pattern of a group matches a file, and a file that takes twice its budget is named."""

from pathlib import Path

import pytest

from tests import durations
from tests.groups import ALONE, SLOW, markers_of

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("pattern", [*ALONE, *SLOW])
def test_a_pattern_of_a_group_has_a_file(pattern: str) -> None:
    assert list(ROOT.glob(pattern))


def test_the_serial_part_looks_into_every_folder_with_tests_that_run_alone() -> None:
    (line,) = [line for line in MAKEFILE.splitlines() if "-m alone" in line]
    assert {str(Path(pattern).parent) for pattern in ALONE} == set(
        line.split("-m alone ")[1].split()
    )


@pytest.mark.parametrize(
    ("file", "markers"),
    [
        ("tests/executors/test_ray.py", ["alone", "slow"]),
        ("tests/fuzz/test_fuzz.py", ["slow"]),
        ("tests/test_groups.py", []),
    ],
)
def test_a_file_has_the_markers_of_its_groups(file: str, markers: list[str]) -> None:
    assert [marker.name for marker in markers_of(file)] == markers


def test_a_file_over_twice_its_budget_is_named_unless_all_files_are_as_slow() -> None:
    budgets = {"tests/a.py": 15, "tests/b.py": 10, "tests/c.py": 20}
    seconds = {"tests/a.py": 4.0, "tests/b.py": 21.0, "tests/c.py": 20.0}
    (fault,), notes = durations.compare(seconds, budgets)
    assert fault.startswith("tests/b.py: must take at most 20 s")
    assert notes == []
    three_times = {file: 3 * taken for file, taken in seconds.items()} | {"tests/b.py": 30.0}
    assert durations.compare(three_times, budgets) == ([], [])


def test_a_slow_file_without_a_budget_is_no_fault_and_is_named() -> None:
    faults, (note,) = durations.compare({"tests/new.py": 9.0, "tests/fast.py": 1.0}, {})
    assert faults == []
    assert note.startswith("tests/new.py: 9 s, no budget")


def test_the_seconds_of_a_file_are_of_all_its_tests_but_not_if_one_failed(tmp_path: Path) -> None:
    stored = tmp_path / "parallel.xml"
    stored.write_text(
        """<testsuites><testsuite>
        <testcase classname="tests.cli.test_a" name="test_1" time="1.5"/>
        <testcase classname="tests.cli.test_a" name="test_2" time="2"/>
        <testcase classname="tests.test_b" name="test_3" time="300"><failure/></testcase>
        </testsuite></testsuites>"""
    )
    assert durations.measured((stored,)) == {"tests/cli/test_a.py": 3.5}


def test_budgets_are_of_files_that_take_long_rounded_up() -> None:
    seconds = {"tests/a.py": 5.1, "tests/b.py": 1.9, "tests/c.py": 100.0}
    assert durations.written(seconds) == " 100 tests/c.py\n  10 tests/a.py\n"
