"""Encodings of numbers that a study names are checked against its data before anything is read."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.search.plan.check_study import try_study
from hinet_search.study.load_study import ResolvedStudy, load_study
from tests.small import STUDY

FEATURES = """\
  features:
    categorical: [user_id, item_id, user_attribute_0, item_attribute_0]
    numeric: [numeric_0, numeric_1]
"""
DERIVED = """\
    transforms: {numeric_1: {cycle: 24}}
    statistics: {by: [user_id]}
    session: {gap: 30m}
    groups: {ids: [user_id], sizes: [numeric_0]}
"""
ARMS = "arms: {shared_bottom: , mmoe: }\n"
TEXT = STUDY.replace(FEATURES, FEATURES + DERIVED).replace(
    "time: time\n", "time: time\n  time_unit: s\n"
)
TEXT = TEXT.replace(ARMS, "arms: {mmoe: , trees: }\nreference: mmoe\n")
FIXED = TEXT.count("\n") + 1  # the line of the key `fixed`
ENCODINGS = "features.number_encodings"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tried(fixed: str, text: str = TEXT) -> ResolvedStudy:
    Path("s.yaml").write_text(f"{text}fixed: {{{fixed}}}\n")
    return try_study(load_study("s.yaml"))


def refusal(fixed: str, text: str = TEXT) -> str:
    """The one problem of a study that fixes these values."""
    with pytest.raises(ConfigurationError) as caught:
        tried(fixed, text)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "name",
    [
        "numeric_0",
        "numeric_1",  # a cycle, whose two inputs go together
        "user_id rows",
        "user_id click rate",
        "session seconds",
        "statistics",
        "session",
        "sizes",
    ],
)
def test_columns_derived_numbers_and_groups_of_them_can_be_named(name: str) -> None:
    mmoe, trees = tried(f"{ENCODINGS}.{name}: piecewise").arms
    assert mmoe.space.fixed[f"{ENCODINGS}.{name}"] == "piecewise"
    assert trees.space.fixed == {**trees.space.fixed, f"{ENCODINGS}.{name}": "piecewise"}


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("numerc_0", "; did you mean 'numeric_0'?"),
        ("user_id clik rate", "; did you mean 'user_id click rate'?"),
        ("statistic", "; did you mean 'statistics'?"),
        ("item_attribute_0", ", a categorical field"),
        ("ids", ", a group without numbers"),
        ("matches", ""),
        ("numeric_1 sin", "; did you mean 'numeric_1'?"),
    ],
)
def test_what_is_no_number_of_the_data_is_refused_with_what_it_is_or_the_nearest(
    name: str, got: str
) -> None:
    assert refusal(f"{ENCODINGS}.{name}: bins") == (
        f"s.yaml:{FIXED}:9: {ENCODINGS}.{name} must end with one of numeric_0, numeric_1, "
        f"statistics, session, sizes or a derived number, got '{name}'{got}"
    )


def test_without_derived_inputs_none_is_spoken_of() -> None:
    text = TEXT.replace(DERIVED, "")
    assert refusal(f"{ENCODINGS}.age: bins", text).endswith(
        f"{ENCODINGS}.age must end with one of numeric_0, numeric_1, got 'age'"
    )


def test_without_numbers_none_can_be_named() -> None:
    text = TEXT.replace(DERIVED, "").replace("    numeric: [numeric_0, numeric_1]\n", "")
    assert refusal(f"{ENCODINGS}.numeric_0: bins", text).endswith(
        f"{ENCODINGS}.numeric_0 needs a number among the inputs (features.numeric, statistics, "
        "matches, events or session), got none"
    )


def test_an_encoding_that_is_none_is_refused_with_those_that_are() -> None:
    said = refusal(f"{ENCODINGS}.numeric_0: bin")
    assert said == (
        f"s.yaml:{FIXED}:9: {ENCODINGS}.numeric_0: must be 'standardised', 'bins' or 'piecewise', "
        "got 'bin'"
    )


@pytest.mark.parametrize("value", ["bins", "3"])
def test_an_encoding_of_no_name_is_refused(value: str) -> None:
    said = refusal(f"{ENCODINGS}: {value}")
    assert said.startswith(f"s.yaml:{FIXED}:9: {ENCODINGS}: must be ")


def test_a_wrong_name_and_a_wrong_choice_of_a_space_are_reported_at_their_lines() -> None:
    Path("mixed.yaml").write_text(
        "parameters:\n"
        f"  {ENCODINGS}.numeric_0: {{kind: categorical, choices: [bins, step], default: bins}}\n"
        f"  {ENCODINGS}.numric_1: {{kind: categorical, choices: [bins], default: bins}}\n"
    )
    text = TEXT.replace("{mmoe: , trees: }", "{mmoe: {space: mixed}}")
    with pytest.raises(ConfigurationError) as caught:
        tried("train.patience: 2", text)
    choice, name = caught.value.problems
    assert choice.startswith(f"mixed.yaml:2:3: {ENCODINGS}.numeric_0: must be 'standardised'")
    assert choice.endswith("got 'step'")
    assert name.startswith(f"mixed.yaml:3:3: {ENCODINGS}.numric_1 must end with one of numeric_0")
    assert name.endswith("got 'numric_1'; did you mean 'numeric_1'?")
