"""Every pattern of a group matches a file."""

from pathlib import Path

import pytest

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
        ("tests/executors/test_ray_nodes.py", ["alone", "slow"]),
        ("tests/fuzz/test_fuzz.py", ["slow"]),
        ("tests/test_groups.py", []),
    ],
)
def test_a_file_has_the_markers_of_its_groups(file: str, markers: list[str]) -> None:
    assert [marker.name for marker in markers_of(file)] == markers
