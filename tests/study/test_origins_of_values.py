"""Every value of a study is shown with its source, as a file would have it."""

from pathlib import Path

from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import load_study
from hinet_search.study.origins import origins
from tests.study_texts import DATA


def shown(text: str) -> dict[str, tuple[str, str]]:
    Path("s.yaml").write_text(DATA + "arms: {mmoe: }\n" + text)
    study = load_study("s.yaml")
    return {each.name: (each.value, each.where) for each in origins(study, LaunchOptions())}


def test_a_default_is_shown_as_one() -> None:
    assert shown("")["trials"] == ("20", "default")
    assert shown("")["budget"] == ("null", "default")


def test_a_budget_is_shown_in_minutes_and_its_trials_are_not_known() -> None:
    values = shown("budget: 1h 30m\n")
    value, where = values["budget"]
    assert value == "90 minutes"
    assert where.startswith("s.yaml:")
    assert values["trials"][0] == "as many as fit into the budget"


def test_trials_that_are_written_beside_a_budget_are_shown() -> None:
    assert shown("budget: 2h\ntrials: 30\n")["trials"][0] == "30"
