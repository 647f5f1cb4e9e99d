"""The commands, run one after another on a small study as a user would."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.small import STUDY, write_study


def test_a_report_does_not_import_torch() -> None:
    code = "import sys, hinet_search.cli.commands.report, hinet_search.api; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "torch" not in loaded


def test_check_prints_the_plan_and_creates_no_study(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    said = run("check", "small.yaml")
    assert said.code == 0, said.err
    assert "4,000 rows, 3 scenarios x 2 tasks" in said.out
    assert "ok  inputs  6: 4 categorical, 2 numeric\n" in said.out
    assert re.search(r"shared_bottom +shared_bottom +\d+ +3", said.out)
    assert "about" in said.out
    assert not list(tmp_path.rglob("*.sqlite3"))


def test_launch_status_and_report_agree(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    launched = run("launch", "small.yaml", "--trials", "2")
    assert launched.code == 0, launched.err
    assert launched.out.startswith("done in ")
    assert re.search(
        r"^Next: hinet-search launch small.yaml --trials 2 --finalist-seeds 5\nNext: hinet-search dashboard\n",
        launched.err,
        re.MULTILINE,
    )
    page = tmp_path / "reports" / "small.html"
    sentence = launched.out.splitlines()[0].split(": ", 1)[1]
    assert sentence in page.read_text()
    assert re.search(
        r"^small +done +4/4 +(mmoe|shared_bottom) 0\.\d{4}", run("status").out, re.MULTILINE
    )
    assert f"\nsmall: {sentence}\n" in run("status").out
    page.unlink()
    assert sentence in run("report", "small").out
    assert page.exists()


def test_output_holds_everything_a_launch_writes(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    assert (
        run(
            "launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1", "--output", "out"
        ).code
        == 0
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "small.yaml"]
    assert {"artifacts", "cache", "reports", "studies.sqlite3"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


def test_data_describe_names_scenarios_and_rates(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    said = run("data", "describe", "small.yaml")
    assert said.code == 0, said.err
    assert "4,000 rows" in said.out
    assert all(scenario in said.out for scenario in ("home", "search", "push"))


@pytest.mark.parametrize("arguments", [("hinet",), ("mmoe", "--study", "small.yaml")])
def test_describe_draws_a_model_with_its_parameters(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    write_study(tmp_path)
    said = run("describe", *arguments)
    assert said.code == 0, said.err
    assert "parameters" in said.out
    assert "FLOPs" in said.out


SIZES = "sizes: {tiny: {trials: 1, epochs: 1, finalists: {top: 1, seeds: 1}}, whole: {}}\n"


def test_check_names_the_launch_with_the_options_that_it_was_given_itself(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # no such database is asked
    monkeypatch.setattr("hinet_search.search.stored_study.find_stored_study", lambda *_: None)
    monkeypatch.setattr("hinet_search.search.warm_start.connect_if_there", lambda _: None)
    write_study(tmp_path, STUDY + SIZES)
    said = run(
        "check", "small.yaml", "--size", "tiny", "--storage", "postgresql://me:s3cret@db/studies"
    )
    assert (
        "Next: hinet-search launch small.yaml --size tiny --storage 'postgresql+psycopg://me:***@db/studies'"
        in said.err
    )
    assert "small-tiny; sizes of the study: tiny, whole" in said.out


def test_check_names_the_launch_with_the_packages_that_it_was_allowed(
    run: Run, tmp_path: Path
) -> None:
    write_study(tmp_path)
    said = run("check", "small.yaml", "--plugin", "my_lab.models", "--plugin", "other")
    assert "Next: hinet-search launch small.yaml --plugin my_lab.models --plugin other" in said.err


def test_check_names_the_limit_of_cost(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    assert (
        "no draw needs more than 2 times the FLOPs a row of the default HiNet"
        in run("check", "small.yaml").out
    )
    write_study(tmp_path, STUDY + "cost_limit: null\n")
    assert "a draw may need any number of FLOPs a row" in run("check", "small.yaml").out


def test_check_counts_the_trainings_that_measure_inputs(run: Run, tmp_path: Path) -> None:
    groups = "numeric_1]\n    groups: {first: [numeric_0], second: [numeric_1]}"
    text = STUDY.replace("numeric_1]", groups) + "inputs: {seeds: 2}\n"
    write_study(tmp_path, text)
    said = run("check", "small.yaml", "--output", "out").out
    words = "shared_bottom with and without first, second x 2 seeds: at most 8 trainings"
    assert words in " ".join(said.split())
    document = run("check", "small.yaml", "--output", "out", "--json").out
    assert json.loads(document)["input_trainings"] == 8


def test_check_tells_starts_that_no_trial_is_left_for(run: Run, tmp_path: Path) -> None:
    starts = ", ".join(f"{{model.num_experts: {number}}}" for number in (4, 5, 6))
    write_study(tmp_path, STUDY.replace("mmoe: }", f"mmoe: {{start: [{starts}]}}}}"))
    said = " ".join(run("check", "small.yaml", "--output", "out").out.split())
    words = "arm mmoe starts with 3 configurations after its default, of which 2 fit into 3 trials"
    assert words in said


def test_a_report_finds_a_study_by_its_name_and_size(run: Run, tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    write_study(tmp_path / "studies", STUDY + SIZES)
    assert run("launch", "small", "--size", "tiny").code == 0
    assert "small-tiny.html" in run("report", "small", "--size", "tiny").out


def test_a_sized_arm_is_described_with_the_size_that_check_prints(run: Run, tmp_path: Path) -> None:
    arms = "arms: {hinet: , flat_moe: {size_of: hinet}}\nreference: hinet"
    write_study(tmp_path, STUDY.replace("arms: {shared_bottom: , mmoe: }", arms))
    of_hinet, of_flat = (
        run("describe", model, "--study", "small.yaml").out for model in ("hinet", "flat_moe")
    )
    assert "as large as the default of hinet" in of_flat
    assert _parameters(of_flat) == pytest.approx(_parameters(of_hinet), rel=0.05)


def _parameters(drawn: str) -> int:
    """The number in the first line of a drawing that has the model's name and its output."""
    line = next(line for line in drawn.splitlines() if "(B, " in line)
    return int(line.split(")")[1].split()[0].replace(",", ""))
