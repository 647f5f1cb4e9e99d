"""`.ci/weigh` holds every figure below its budget, and lowers budgets but never raises them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = {
    "hinet_search/study/study_spec.py": "class StudySpec:\n    trials: int = 20\n    seed: int = 0\n",
    "hinet_search/models/hinet.py": (
        "from typing import TYPE_CHECKING\n\n"
        "if TYPE_CHECKING:\n    from hinet_search import study\n\n"
        "def _squares(xs): return [x * x for x in xs]\n\n"
        "def _twice(x): return x if x else _twice(_twice(1))\n\n"
        "class Model:\n    def forward(self): return _squares(self)\n"
    ),
    "hinet_search/cli/commands/launch.py": "def launch():\n    import hinet_search.models.hinet\n",
    "docs/models.md": "Widths are those of the paper.\nThe width of a tower is 64.\n",
}


class Checkout:
    """A small repository with the program and the package above."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.budgets = folder / ".ci" / "weight.json"
        self.budgets.parent.mkdir()
        shutil.copy(ROOT / ".ci" / "weigh", folder / ".ci")
        for name, text in PACKAGE.items():
            self.write(name, text)
        self.git("init", "-q")
        self.git("add", ".")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def git(self, *words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True)

    def weigh(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ".ci/weigh", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def budget(self, name: str) -> float:
        return json.loads(self.budgets.read_text())["budget"][name]

    def set_budget(self, name: str, budget: float, raised: str | None = None) -> None:
        given = json.loads(self.budgets.read_text())
        given["budget"][name] = budget
        if raised is not None:
            given["raised"][name] = raised
        self.budgets.write_text(json.dumps(given))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    assert made.weigh("--lower").returncode == 0
    return made


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ("package files", 3),
        ("package lines", 16),
        ("arrows between rooms", 2),  # models to study for types, cli to models in a function
        ("rooms in a circle", 0),
        ("pronouns for nouns", 1),
        ("study keys", 2),
        ("commands", 1),
        ("private functions used once", 1),  # _squares: _twice only calls itself
    ],
)
def test_a_figure_is_counted(checkout: Checkout, figure: str, expected: int) -> None:
    assert checkout.budget(figure) == expected


def test_a_figure_above_its_budget_fails_with_a_sentence(checkout: Checkout) -> None:
    checkout.set_budget("study keys", 1)
    run = checkout.weigh()
    assert run.returncode == 1
    assert run.stderr == (
        "hinet_search/study/study_spec.py: study keys must be at most 1, got 2: remove a key, "
        'or raise the budget in .ci/weight.json and say under "raised" what that buys\n'
    )


def test_lines_to_say_with_nouns_are_listed(checkout: Checkout) -> None:
    assert checkout.weigh("--english").stdout == "docs/models.md: Widths are those of the paper.\n"


def test_lower_lowers_a_budget(checkout: Checkout) -> None:
    checkout.set_budget("package lines", 100)
    checkout.weigh("--lower")
    assert checkout.budget("package lines") == 16


def test_lower_never_raises_a_budget(checkout: Checkout) -> None:
    checkout.set_budget("package lines", 10)
    assert checkout.weigh("--lower").returncode == 1
    assert checkout.budget("package lines") == 10


def test_files_that_git_does_not_track_weigh_nothing(checkout: Checkout) -> None:
    checkout.write("hinet_search/models/mmoe.py", "x = 1\n")
    assert checkout.weigh().returncode == 0


def test_a_raised_budget_needs_a_reason(checkout: Checkout) -> None:
    checkout.git("add", ".")
    checkout.git("commit", "-q", "-m", "Budgets")
    checkout.set_budget("package lines", 100)
    assert "package lines must be at most 16, got 100" in checkout.weigh().stderr
    checkout.set_budget("package lines", 100, raised="A model of graphs.")
    assert checkout.weigh().returncode == 0


def test_rooms_that_import_each_other_are_in_a_circle(checkout: Checkout) -> None:
    checkout.write("hinet_search/study/models.py", "import hinet_search.models.hinet\n")
    checkout.git("add", ".")
    assert "rooms in a circle must be at most 0, got 2" in checkout.weigh().stderr
