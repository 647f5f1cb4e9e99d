"""A mutant changes one line, is run on a copy, and is killed by a test that fails with it alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.__main__ import read_table
from tests.mutants.changes import Mutant, compiles
from tests.mutants.overlay import Overlay

ROOT = Path(__file__).parents[2]
MODULE = "def larger(a, b):\n    return a if a > b else b\n"
TEST = (
    "from hinet_search.larger import larger\n\ndef test_larger():\n    assert larger(3, 2) == 3\n"
)
FLIPPED = Mutant("hinet_search/larger.py", "return a if a > b else b", "return a if a <= b else b")
RUN = """
import sys
from pathlib import Path
from tests.mutants.changes import Mutant
from tests.mutants.overlay import Overlay

copy = Overlay(Path(sys.argv[1]), Path(sys.argv[2]))
print(copy.run(["tests/test_larger.py"], 60).failed)
with copy.mutated(Mutant(*sys.argv[3:])):
    print(copy.run(["tests/test_larger.py"], 60).failed)
print(copy.passing({"tests/test_larger.py::test_larger"}, 60))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    files = {
        "hinet_search/__init__.py": "",
        FLIPPED.file: MODULE,
        "tests/test_larger.py": TEST,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    return root


def test_the_working_tree_is_untouched_while_the_copy_has_a_mutant(
    checkout: Path, tmp_path: Path
) -> None:
    copy = Overlay(checkout, tmp_path / "overlay")
    with copy.mutated(FLIPPED) as applies:
        assert applies
        assert (checkout / FLIPPED.file).read_text() == MODULE
        assert FLIPPED.mutated in (copy.copy / FLIPPED.file).read_text()
    assert (copy.copy / FLIPPED.file).read_text() == MODULE


def test_a_test_fails_with_the_mutant_alone(checkout: Path, tmp_path: Path) -> None:
    mutant = [FLIPPED.file, FLIPPED.line, FLIPPED.mutated]
    command = [sys.executable, "-c", RUN, str(checkout), str(tmp_path / "overlay"), *mutant]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    test = "tests/test_larger.py::test_larger"
    assert run.stdout.splitlines() == ["None", test, f"{{'{test}'}}"]


def test_every_mutant_of_the_table_is_of_another_line_and_compiles() -> None:
    mutants = [row.mutant for row in read_table()]
    assert len({(mutant.file, mutant.line) for mutant in mutants}) == len(mutants)
    for mutant in mutants:
        path = ROOT / mutant.file
        mutated = mutant.applied_to(path.read_text(encoding="utf-8")) if path.exists() else None
        assert mutated is None or compiles(mutated)


def test_every_test_of_the_table_is_there() -> None:
    for row in read_table():
        file, _, test = row.test.partition("::")
        name = test.partition("[")[0]
        assert not test or f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), row.id
