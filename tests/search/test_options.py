"""What a caller says stands over the study file; what it leaves out, the file decides."""

import os
from pathlib import Path

import pytest

from hinet_search.errors import ConfigurationError
from hinet_search.search.options import LaunchOptions, num_slots
from hinet_search.spec import FinalistSpec
from hinet_search.study import Study, load_study

STUDY = """\
data:
  source: {kind: synthetic}
  scenario: {column: scenario}
  tasks: {click: {column: click}}
  features: {categorical: [user_id]}
  split: {by: random}
arms: {mmoe: }
trials: 5
finalists: {top: 2, seeds: 3}
seed: 7
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HINET_SEARCH_STORAGE", raising=False)
    return tmp_path


def load(more: str = "") -> Study:
    Path("s.yaml").write_text(STUDY + more)
    return load_study("s.yaml")


def test_no_option_leaves_the_study_as_it_is() -> None:
    study = load()
    assert LaunchOptions().apply(study) == study


def test_options_replace_the_values_of_the_file() -> None:
    given = LaunchOptions(trials=9, slots=2, device="cpu", seed=0, finalist_seeds=4)
    spec = given.apply(load()).spec
    assert (spec.trials, spec.slots, spec.device, spec.seed) == (9, 2, "cpu", 0)
    assert spec.finalists == FinalistSpec(top=2, seeds=4)


def test_options_leave_name_arms_and_file() -> None:
    study = load()
    changed = LaunchOptions(trials=9).apply(study)
    assert (changed.name, changed.arms, changed.file) == (study.name, study.arms, study.file)
    assert study.spec.trials == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (LaunchOptions(trials=0), "option: trials: must be greater than or equal to 1, got 0"),
        (LaunchOptions(slots=-1), "option: slots: must be greater than or equal to 1, got -1"),
        (LaunchOptions(seed=-1), "option: seed: must be greater than or equal to 0, got -1"),
        (LaunchOptions(finalist_seeds=0), "option: finalists.seeds: must be greater than or equal to 1, got 0"),
        (LaunchOptions(device="gpu"), "option: device: must be 'auto', 'cpu' or 'cuda', got 'gpu'"),  # type: ignore[arg-type]  # a caller's mistake
    ],
)
def test_an_option_out_of_range_is_refused(given: LaunchOptions, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        given.apply(load())
    assert caught.value.problems == (message,)


def test_everything_is_written_under_the_output_folder_when_one_is_named() -> None:
    given = LaunchOptions(output=Path("out"))
    assert (given.folder, given.reports) == (Path("out"), Path("out/reports"))
    assert given.storage_url() == "out/studies.sqlite3"


def test_without_an_output_folder_reports_go_where_people_look() -> None:
    given = LaunchOptions()
    assert (given.folder, given.reports) == (Path(".hinet-search"), Path("reports"))
    assert given.storage_url() == ".hinet-search/studies.sqlite3"


def test_the_database_is_the_flags_then_the_environments_then_the_files_then_the_folders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study, plain = load("storage: file.sqlite3\n"), load()
    assert LaunchOptions().storage_url(plain) == ".hinet-search/studies.sqlite3"
    assert LaunchOptions().storage_url(study) == "file.sqlite3"
    monkeypatch.setenv("HINET_SEARCH_STORAGE", "environment.sqlite3")
    assert LaunchOptions().storage_url(study) == "environment.sqlite3"
    assert LaunchOptions(storage="flag.sqlite3").storage_url(study) == "flag.sqlite3"


@pytest.mark.parametrize(("cores", "slots"), [(None, 1), (1, 1), (3, 3), (64, 4)])
def test_a_study_that_names_no_slots_gets_one_per_core_and_at_most_four(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, slots: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert num_slots(load()) == slots


def test_a_study_that_names_its_slots_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert num_slots(load("slots: 16\n")) == 16


def test_an_executor_is_a_word_or_a_kind_with_its_options() -> None:
    assert load("executor: ray\n").spec.executor.kind == "ray"
    executor = load("executor: {kind: ray, gpus_per_slot: 0.5}\n").spec.executor
    assert (executor.kind, executor.options) == ("ray", {"gpus_per_slot": 0.5})


def test_an_address_replaces_the_files_and_leaves_what_each_slot_takes() -> None:
    study = load("executor: {kind: ray, address: auto, gpus_per_slot: 0.5}\n")
    executor = LaunchOptions(address="node1:6379").apply(study).spec.executor
    assert (executor.kind, executor.options) == ("ray", {"address": "node1:6379", "gpus_per_slot": 0.5})


def test_another_executor_does_not_take_over_options() -> None:
    study = load("executor: {kind: ray, gpus_per_slot: 0.5}\n")
    executor = LaunchOptions(executor="local").apply(study).spec.executor
    assert (executor.kind, executor.options) == ("local", {})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"executor": "rya"}, "option: 'rya' is not an executor, known: local, ray; did you mean 'ray'?"),
        ({"address": "auto"}, "option: unknown key 'address'"),
        ({"executor": "ray", "address": "nowhere"}, "option: address: must be local, auto or HOST:PORT"),
    ],
)
def test_an_executor_is_checked_before_a_study_exists(given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        LaunchOptions(**given).apply(load())  # type: ignore[arg-type]  # as a caller writes them
    assert caught.value.problems[0].startswith(message)


def test_a_wrong_option_of_an_executor_is_told_at_its_line() -> None:
    with pytest.raises(ConfigurationError, match=r"s\.yaml:13: .*gpus"):
        load("executor:\n  kind: ray\n  gpus: 2\n")
