"""A whole study on two slots: exact budgets, fair finalists, and one test access per arm."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import hinet_search
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.artifacts import MARK
from tests.shortcuts import as_shipped
from tests.small import write_study


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of the study."""
    return tmp_path_factory.mktemp("finished") / "out"


@pytest.fixture(scope="module")
def finished(out: Path) -> StudyRecord:
    with as_shipped():
        return hinet_search.launch(str(write_study(out.parent)), output=out)


def test_every_arm_gets_the_same_number_of_trials(finished: StudyRecord) -> None:
    assert {arm.name: len(arm.trials) for arm in finished.arms} == {"shared_bottom": 3, "mmoe": 3}
    assert {trial.state for arm in finished.arms for trial in arm.trials} == {"complete"}


def test_every_trial_leaves_its_curve_and_its_cost(finished: StudyRecord) -> None:
    for trial in (trial for arm in finished.arms for trial in arm.trials):
        assert [evaluation.step for evaluation in trial.evaluations] == list(
            range(1, len(trial.evaluations) + 1)
        )
        assert trial.value == max(evaluation.objective for evaluation in trial.evaluations)
        assert trial.cost is not None
        assert trial.cost.parameters > trial.cost.dense_parameters > 0
        assert trial.cost.flops_per_row > 0
        assert trial.cost.rows_per_second > 0


def test_only_the_chosen_finalist_is_opened_on_test(finished: StudyRecord) -> None:
    for arm in finished.arms:
        assert sum(finalist.chosen for finalist in arm.finalists) == 1
        for finalist in arm.finalists:
            assert all((run.test_cells is not None) == finalist.chosen for run in finalist.runs)
    assert finished.test_accesses == 2


def test_every_cell_of_every_split_is_counted(finished: StudyRecord) -> None:
    assert len(finished.data.cells) == 6
    assert sum(finished.data.rows) == 4000
    assert all(cell.reachable_auc is not None for cell in finished.data.cells)


@pytest.mark.usefixtures("finished")
def test_weights_and_scores_are_kept_as_safetensors(out: Path) -> None:
    kept = [path for path in (out / "artifacts").rglob("*") if path.is_file() and path.name != MARK]
    assert {path.suffix for path in kept} == {".safetensors"}
    assert all(
        isinstance(value, torch.Tensor) for path in kept for value in load_file(path).values()
    )


def test_finalists_keep_what_only_a_trained_model_shows(finished: StudyRecord) -> None:
    runs = {
        arm.name: run
        for arm in finished.arms
        for finalist in arm.finalists
        for run in finalist.runs
    }
    assert all(run.cost.milliseconds_per_100 for run in runs.values())


def test_no_process_outlives_a_launch(finished: StudyRecord) -> None:
    running = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    children = [
        pid for pid in running if _parent(pid) == os.getpid() and b"spawn_main" in _words(pid)
    ]
    assert children == []


def _parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return -1


def _words(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
