"""Below the table of studies is the verdict of each finished study, or the command that prints it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hinet_search.results.data_record import SampleRecord
from hinet_search.results.study_record import PairedRun
from hinet_search.storage.store import StudyStore
from tests.cli.conftest import Run
from tests.storage.small_study import DATA, new_store, small_study, study_row


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    (tmp_path / "out").mkdir()
    return StudyStore(small_study(tmp_path / "out" / "studies.sqlite3"), "small")


def test_a_study_that_is_done_has_its_verdict(run: Run, store: StudyStore) -> None:
    store.set_state("done", verdict="HiNet wins.")
    assert "\n\nsmall: HiNet wins.\n" in run("status", "--output", "out").out


def test_a_study_without_a_stored_verdict_has_the_command_that_says_it(
    run: Run, store: StudyStore
) -> None:
    store.set_state("done")
    said = run("status", "--output", "out").out
    assert said.splitlines()[-1].endswith(": hinet-search report small --output out")


def test_a_study_that_is_not_done_has_no_verdict(run: Run, store: StudyStore) -> None:
    store.set_state("stopped")
    assert len(run("status", "--output", "out").out.splitlines()) == 2


@pytest.mark.parametrize(("state", "best"), [("stopped", "none yet"), ("done", "-")])
def test_without_a_trial_that_was_trained_a_best_value_is_to_come_or_will_never_be(
    run: Run, tmp_path: Path, state: str, best: str
) -> None:
    (tmp_path / "out").mkdir()
    database = tmp_path / "out" / "studies.sqlite3"
    new_store(database, "whole").set_state(state)
    row = run("status", "--output", "out").out.splitlines()[1]
    assert f" {best} " in row


def test_what_inputs_are_worth_is_said_below_the_verdict(run: Run, store: StudyStore) -> None:
    for seed in range(2):
        store.record_paired_run(PairedRun("single", (), seed, 0.75))
        store.record_paired_run(PairedRun("single", ("lists",), seed, 0.71))
    store.set_state("done", verdict="HiNet wins.")
    lines = run("status", "--output", "out").out.splitlines()
    assert lines[-2:] == [
        "small: HiNet wins.",
        "small: On these rows validation improves by 0.0400 with lists.",
    ]


def test_a_study_of_a_sample_says_of_which_rows(run: Run, tmp_path: Path) -> None:
    database = small_study(tmp_path / "studies.sqlite3")
    sampled = replace(DATA, sample=SampleRecord(0.05, "users", 2000))
    study = replace(study_row("twentieth"), data=sampled)
    StudyStore(database, "twentieth").create_study(study, [])
    database.close()
    said = run("status", "--storage", "studies.sqlite3").out.splitlines()
    assert said[-1] == "twentieth: searched on 5 % of the users: 100 of 2,000 rows"
    small, twentieth = json.loads(run("status", "--storage", "studies.sqlite3", "--json").out)[
        "studies"
    ]
    assert small["searched_on"] == ""
    assert twentieth["searched_on"] == "5 % of the users: 100 of 2,000 rows"


def test_markup_and_control_characters_in_a_name_are_printed_as_they_are_written(
    run: Run, tmp_path: Path
) -> None:
    small_study(tmp_path / "studies.sqlite3", "[red]shop[/]\x1b[2J").close()
    printed = run("status", "--storage", "studies.sqlite3").out
    assert printed.splitlines()[1].startswith(r"[red]shop[/]\x1b[2J  ")
    assert "\x1b" not in printed


def test_a_study_that_is_named_is_listed_alone_with_its_sizes(run: Run, store: StudyStore) -> None:
    for name in ("small-quick", "smaller", "other"):
        StudyStore(store.database, name).create_study(replace(study_row(name), uuid=name), [])
    listed = json.loads(run("status", "small", "--output", "out", "--json").out)["studies"]
    assert [study["name"] for study in listed] == ["small", "small-quick"]
