"""Documentation runs: its commands and programs, in a folder where a small `quickstart` replaces the shipped one.

What later commands need is made by commands typed in a shell; all others run in this process, with probes of few steps.

Parsed only (tests/test_docs.py): what serves until it is stopped, needs a cluster, or takes minutes. Not run: other programs.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from hinet_search.cli import main
from hinet_search.data.source_rows import source_rows
from hinet_search.notebook.study import Study
from hinet_search.search.plan import probe
from hinet_search.study.data_definition import SourceDefinition
from hinet_search.study.load_study import load_study
from hinet_search.study.study_spec import StudySpec
from hinet_search.study.yaml_file import read
from tests.report.studies import small
from tests.test_docs import ROOT, blocks

SMALLER = {  # the shipped quickstart in seconds
    "rows: 36000": "rows: 2000",
    "num_users: 800": "num_users: 100",
    "num_items: 500": "num_items: 50",
    "trials: 4": "trials: 2",
    "seeds: 5": "seeds: 2",
    "valid_from: 1404000": "valid_from: 78000",
    "test_from: 1728000": "test_from: 96000",
}
LATER = pl.col("time") + 500_000  # seconds: after the rows of the study
PARSED_ONLY = (
    "hinet-search dashboard",  # serves until it is stopped
    "--open",  # a browser
    "--mlflow",  # a server: tests/report/test_mlflow_runs.py
    "--executor ray",  # needs a cluster: tests/executors/test_ray.py
    "--format onnx",  # a minute of graphs: tests/serving/test_compiled_exports.py
    "data get",  # needs published files: tests/cli/test_data_get.py
    "check public/",  # what that writes
    "launch studies/rows.yaml",  # minutes: tests/cli/test_data_init.py runs one
)
OTHERS = {"pip", "xdg-open", "ray", "RAY_AUTH_MODE=token", "export", "sqlite3", "pg_dump"}
SHELL_ALONE = set("|&;<>$`*?~")  # has a meaning to a shell
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("HINET_SEARCH_")},
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


def stand_in(folder: Path) -> None:
    """`quickstart` in ./studies, which comes before the shipped one, and a table of rows."""
    text = (ROOT / "studies" / "quickstart.yaml").read_text()
    for long, short in SMALLER.items():
        assert long in text
        text = text.replace(long, short)
    (folder / "studies").mkdir()
    (folder / "studies" / "quickstart.yaml").write_text(text)
    rows = pl.int_range(4000, eager=True)
    table = {
        "user_id": rows % 83,
        "item_id": rows % 41,
        "channel": rows % 3,
        "is_click": (rows * 7919 % 10 < 4).cast(pl.Int8),
        "shown_at": pl.from_epoch(1_770_000_000 + rows * 400),
        "price": (rows % 17) / 3,
    }
    pl.DataFrame(table).write_parquet(folder / "rows.parquet")
    definition = read(folder / "studies" / "quickstart.yaml").parse(StudySpec).data
    unlabelled = source_rows(definition, folder, folder).drop(
        task.column for task in definition.tasks.values()
    )
    unlabelled.head(500).with_columns(LATER).collect().write_parquet(folder / "new_rows.parquet")
    changed = {"seed": 8, "num_users": 250, "rows": 12_000}  # enough to show that it is better
    others = {**definition.source.options, "kind": "synthetic", **changed}
    newer = definition.model_copy(update={"source": SourceDefinition(**others)})
    source_rows(newer, folder, folder).with_columns(LATER).collect().write_parquet(
        folder / "newer_rows.parquet"
    )


def run(line: str, folder: Path) -> str:
    """What a line printed on stdout, typed in a folder; it must end well."""
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the quickstart is done and the table has its study."""
    folder = tmp_path_factory.mktemp("reader")
    stand_in(folder)
    run("hinet-search launch quickstart", folder)
    run("hinet-search data init rows.parquet", folder)
    run("hinet-search export quickstart/hinet -o winner", folder)
    return folder


def lines() -> list[tuple[str, list[str]]]:
    """Every line of a console block that is typed, with the lines of what it prints."""
    typed_lines: list[tuple[str, list[str]]] = []
    for _, text in blocks("console"):
        for line in text.splitlines():
            if line.startswith("$ "):
                typed_lines.append((line.removeprefix("$ ").split("  #")[0].strip(), []))
            elif line:
                typed_lines[-1][1].append(line)
    return typed_lines


def masked(text: str) -> str:
    """Return the text with numbers, hashes, sizes and columns masked."""
    text = re.sub(r"(?<=\d )[kMG]B\b", "B", text)
    return " ".join(re.sub(r"\b[0-9a-f]{8}\b|\d[\d.,]*\d|\d", "#", text).split())


@pytest.fixture(autouse=True)
def as_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of this machine apply to no command, and how long a training takes is of no interest."""
    for name in os.environ.keys() - ENVIRONMENT.keys():
        monkeypatch.delenv(name)
    monkeypatch.setattr(probe, "MOST_STEPS", probe.FEWEST_STEPS)


OURS = {line: printed for line, printed in lines() if line.startswith("hinet-search")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", [line for line in OURS if not any(part in line for part in PARSED_ONLY)]
)
def test_a_command_of_the_pages_runs_and_prints_what_they_say(
    line: str,
    launched: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    command = f"{line} --force" if "data init" in line else line  # the table has its study by now
    if line.endswith("-o winner"):
        shutil.move(
            launched / "winner", launched / "winner-before"
        )  # an export writes over nothing
    monkeypatch.chdir(launched)
    assert not SHELL_ALONE & set(command), "this line needs a shell"
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as ended:
        main()
    said = capfd.readouterr()
    assert not ended.value.code, said.err
    printed = [masked(output_line) for output_line in said.out.splitlines()]
    assert [output_line for output_line in OURS[line] if masked(output_line) not in printed] == []


def test_other_lines_of_console_blocks_are_of_known_programs() -> None:
    assert {line.split()[0] for line, _ in lines() if not line.startswith("hinet-search")} == OTHERS


PROGRAMS = [block for block in blocks("python") if block[0] in ("README.md", "python.md")]
STUDIES = [(page, text) for page, text in PROGRAMS if "hs.Study(" not in text]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "text"), STUDIES, ids=[page for page, _ in STUDIES])
def test_a_program_that_runs_a_study_runs(
    page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(text, names)
    assert names["record"].state == "done"
    assert names["plan"].seconds > 0
    assert (tmp_path / "reports" / "quickstart.html").exists()


def test_the_program_of_a_frame_makes_a_study_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tests/notebook/test_notebooks.py launches one."""
    stand_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Study, "launch", lambda _: small())
    ((_, text),) = [program for program in PROGRAMS if program not in STUDIES]
    names: dict[str, object] = {}
    exec(text, names)
    spec = load_study(names["study"].file).spec
    assert (list(spec.arms), spec.trials) == (["hinet", "mmoe", "trees"], 10)


@pytest.mark.slow
def test_the_program_that_ships_the_winner_scores_new_rows(
    launched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(launched)
    # tests/serving/test_served_model.py runs the other program of the page
    (_, text), _ = [block for block in blocks("python") if block[0] == "ship.md"]
    names: dict[str, object] = {}
    exec(text, names)
    assert names["prediction"].rows == 500
    assert names["best"].columns == ["scenario", "user_id", "item_id", "time", "click", "order"]
    assert names["scores"].columns == ["click", "order"]


@pytest.mark.slow
def test_the_program_of_the_log_joins_newer_rows(
    launched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(launched)
    ((_, text),) = [block for block in blocks("python") if block[0] == "log.md"]
    names: dict[str, object] = {}
    exec(text, names)
    assert names["prediction"].log.joined == 500


def test_every_program_in_the_pages_is_tested() -> None:
    """tests/security/test_foreign_code.py runs the program of the models page."""
    assert {page for page, _ in blocks("python")} == {
        "README.md",
        "python.md",
        "ship.md",
        "models.md",
        "log.md",
    }
