"""No command runs code of the current folder, neither itself nor in a process that it starts.

The folder holds a file of the name of every module that Python and the installed packages have; each leaves a trace where it is
imported.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.request import urlopen

import polars as pl
import pytest

import hinet_search
from hinet_search.results.study_record import StudyRecord
from tests.small import STUDY, write_study

INSTALLED = str(Path(sys.executable).with_name("hinet-search"))
TRAP = "open(__file__ + '.ran', 'a').close()\n"
OTHERS = ("sitecustomize", "usercustomize", "tests")
ENDING = "arms: {shared_bottom: }\nsampler: random\ntrials: 1\n"
TEXT = STUDY.replace("arms: {shared_bottom: , mmoe: }\ntrials: 3\n", ENDING).replace(
    "slots: 2", "slots: 1"
)
COLUMNS = ("user_id", "item_id", "user_attribute_0", "item_attribute_0", "numeric_0", "numeric_1")


COMMANDS = [
    ["--help"],
    ["check", "small.yaml"],
    ["check", "small.yaml", "--executor", "ray"],
    ["status"],
    ["describe", "shared_bottom", "--study", "small.yaml"],
    ["report", "small.yaml", "--format", "csv"],
    ["export", "small.yaml", "-o", "winner"],
    ["predict", "winner", "rows.parquet", "-o", "scores.parquet"],
    ["data", "init", "rows.csv"],
    ["data", "describe", "small.yaml"],
    ["doctor"],
]
ONE_AFTER_ANOTHER = """\
import sys
from hinet_search.cli import main
import json
from pathlib import Path
codes = []
for number, words in enumerate(json.load(sys.stdin)):
    sys.argv = ["hinet-search", *words]
    try:
        main()
        codes.append(0)
    except SystemExit as end:
        codes.append(end.code or 0)
    traces = Path(f"ran-by-{number}")
    traces.mkdir()
    for trace in Path().glob("*.ran"):
        trace.rename(traces / trace.name)
print(json.dumps(codes))
"""


def lay_traps(folder: Path) -> None:
    for name in {*sys.stdlib_module_names, *packages_distributions(), *OTHERS}:
        (folder / f"{name}.py").write_text(TRAP)


def ran(folder: Path) -> list[str]:
    """Modules of the folder that were imported since this was last asked."""
    traces = list(folder.glob("*.ran"))
    for trace in traces:
        trace.unlink()
    return sorted(trace.name.removesuffix(".py.ran") for trace in traces)


def without_a_path(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without variables that change where Python looks for modules."""
    return {
        name: value
        for name, value in environment.items()
        if name not in ("PYTHONPATH", "PYTHONSAFEPATH")
    }


@contextmanager
def begun(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The installed command, typed in the folder."""
    with subprocess.Popen(
        [INSTALLED, *words],
        cwd=folder,
        env=without_a_path(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def run_by(folder: Path, *words: str) -> list[str]:
    """Run a command that must succeed; return the modules of the folder that it imported."""
    with begun(folder, *words) as process:
        said, _ = process.communicate()
    assert process.returncode == 0, said
    return ran(folder)


def learned(folder: Path) -> object:
    """Return the study's results, which are the same wherever it runs."""
    record: StudyRecord = hinet_search.load("small", output=folder)
    (arm,) = record.arms
    return (
        record.state,
        arm.trials[0].state,
        arm.trials[0].value,
        [run.test_cells for run in arm.finalists[0].runs],
    )


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of traps with a study and a table."""
    folder = tmp_path_factory.mktemp("hostile")
    write_study(folder, TEXT)
    rows = pl.DataFrame(
        {"scenario": ["home"] * 8 + ["push"] * 2} | {name: range(10) for name in COLUMNS}
    )
    rows.write_parquet(folder / "rows.parquet")
    many = pl.concat([rows] * 40).with_row_index("row")
    many.with_columns(click=pl.col("row") % 3 == 0).drop("row").cast({"click": pl.Int8}).write_csv(
        folder / "rows.csv"
    )
    lay_traps(folder)
    return folder


@pytest.fixture(scope="module")
def launched(hostile: Path) -> list[str]:
    """What a launch in the folder ran of it."""
    return run_by(hostile, "launch", "small.yaml")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the same study was launched without any trap."""
    folder = tmp_path_factory.mktemp("elsewhere")
    hinet_search.launch(str(write_study(folder, TEXT)), output=folder / "out")
    return folder / "out"


def test_the_traps_see_an_import(hostile: Path) -> None:
    subprocess.run([sys.executable, "-c", "import struct"], cwd=hostile, check=True)
    assert ran(hostile) == ["struct"]


def test_a_launch_runs_nothing_of_the_current_folder_and_ends_as_elsewhere(
    hostile: Path, launched: list[str], elsewhere: Path
) -> None:
    assert launched == []
    assert learned(hostile / ".hinet-search") == learned(elsewhere)


def test_a_launch_on_ray_runs_nothing_of_the_current_folder_and_ends_as_elsewhere(
    hostile: Path, elsewhere: Path
) -> None:
    assert run_by(hostile, "launch", "small.yaml", "--executor", "ray", "--output", "on-ray") == []
    assert learned(hostile / "on-ray") == learned(elsewhere)


@pytest.fixture(scope="module")
def ran_by_each(
    hostile: Path, launched: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """The modules of the folder that each command ran, all in one process that starts like the installed command."""
    assert launched == []
    program = tmp_path_factory.mktemp("program") / "hinet-search"
    program.write_text(ONE_AFTER_ANOTHER)
    said = subprocess.run(
        [sys.executable, str(program)],
        input=json.dumps(COMMANDS),
        cwd=hostile,
        env=without_a_path(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    codes = json.loads(said.stdout.splitlines()[-1])
    assert codes == [0] * len(COMMANDS), said.stdout + said.stderr
    traces = {
        " ".join(words): hostile / f"ran-by-{number}" for number, words in enumerate(COMMANDS)
    }
    return {
        words: sorted(trace.name for trace in folder.iterdir()) for words, folder in traces.items()
    }


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_runs_nothing_of_the_current_folder(
    ran_by_each: dict[str, list[str]], words: list[str]
) -> None:
    assert ran_by_each[" ".join(words)] == []


def test_the_installed_command_runs_nothing_of_the_current_folder(hostile: Path) -> None:
    assert run_by(hostile, "--help") == []


@pytest.mark.usefixtures("launched")
def test_a_dashboard_runs_nothing_of_the_current_folder(hostile: Path) -> None:
    with begun(hostile, "dashboard", "--port", "18767") as dashboard:
        assert dashboard.stdout is not None
        address = dashboard.stdout.readline().split()[0]
        for page in ("/", "/study/small", "/dashboard/"):
            with urlopen(f"{address}{page}") as answer:
                assert answer.status == 200
    assert ran(hostile) == []
