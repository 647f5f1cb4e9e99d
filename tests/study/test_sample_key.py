"""The key `sample` of a study: a share in per cent, or none."""

import re
from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.study_data import dataset_of, state_of
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import load_study
from hinet_search.study.origins import origins
from hinet_search.study.study_spec import StudySpec
from hinet_search.study.yaml_file import Override, read_value
from tests.study.written import SMALL, load, refusal

TABLE = (
    SMALL.replace("kind: synthetic", "kind: synthetic, rows: 2000, num_users: 200")
    .replace(", order: {column: order}", "")
    .replace("split:", "user: user_id\n  split:")
)


def with_option(text: str, value: str) -> StudySpec:
    load(text)
    override = Override(read_value(value, "--set sample"), "--set sample")
    return load_study("s.yaml", overrides={"sample": override}).spec


def shown(text: str) -> str:
    values = {origin.name: origin.value for origin in origins(load(text), LaunchOptions())}
    return values["sample"]


@pytest.mark.parametrize(
    ("written", "share", "as_shown"),
    [
        ("5%", 0.05, "5%"),
        ("5.0 %", 0.05, "5%"),
        ("'0.25%'", 0.0025, "0.25%"),
        ("99.5%", 0.995, "99.5%"),
        ("0.000001%", 1e-8, "0.000001%"),
        ("100%", 1.0, "none"),
        ("none", 1.0, "none"),
    ],
)
def test_a_share_is_written_in_per_cent(written: str, share: float, as_shown: str) -> None:
    text = f"{SMALL}sample: {written}\n"
    assert load(text).spec.sampled_share == pytest.approx(share, rel=1e-12)
    assert with_option(SMALL, written).sampled_share == load(text).spec.sampled_share
    assert shown(text) == as_shown


def test_without_the_key_or_with_it_taken_back_a_study_searches_on_all_rows() -> None:
    assert load(SMALL).spec.sampled_share == 1.0
    assert shown(SMALL) == "none"
    assert with_option(f"{SMALL}sample: 5%\n", "none").sampled_share == 1.0


@pytest.mark.parametrize(
    ("written", "got"),
    [
        ("0%", "'0%'"),
        ("0.0000000001%", "'0.0000000001%'"),
        ("101%", "'101%'"),
        ("-5%", "'-5%'"),
        ("5", "5"),
        ("'5'", "'5'"),
        (".05", "0.05"),
        ("5%%", "'5%%'"),
        ("1e1%", "'1e1%'"),
        ("a twentieth", "'a twentieth'"),
        ("true", "True"),
        ("", "None"),
        ("[5%]", "['5%']"),
        (f"{'5' * 99}%", f"'{'5' * 39}"),
    ],
)
def test_anything_else_is_refused_at_its_place_with_what_to_write(written: str, got: str) -> None:
    (line,) = refusal(f"{SMALL}sample: {written}\n")
    assert re.fullmatch(
        r"s\.yaml:8:1: sample: must be a share in per cent with its sign, above 0% and up to 100%, "
        rf"such as 5%, or none for all rows, got {re.escape(got)}",
        line,
    )


def test_an_option_is_refused_at_its_name() -> None:
    with pytest.raises(ConfigurationError, match=r"^--set sample: sample: must be a share"):
        with_option(SMALL, "5")


def test_a_size_has_a_sample_of_its_own() -> None:
    text = (
        f"{SMALL}sample: 5%\nsizes: {{quick: {{sample: 1%}}, half: {{}}, full: {{sample: none}}}}\n"
    )
    load(text)
    shares = [load_study("s.yaml", size).spec.sample for size in ("quick", "half", "full")]
    assert shares == ["1%", "5%", "none"]


def test_a_sample_that_is_too_small_is_refused_at_its_line(tmp_path: Path) -> None:
    study = load(f"{TABLE}sample: 0.001%\n")
    with pytest.raises(DataError) as caught:
        dataset_of(study, tmp_path, lambda _: None)
    assert all(problem.startswith("s.yaml:9:1: sample: ") for problem in caught.value.problems)


def test_what_is_encoded_of_one_sample_is_not_of_another(tmp_path: Path) -> None:
    dataset_of(load(f"{TABLE}sample: 20%\n"), tmp_path, lambda _: None)
    assert state_of(load(f"{TABLE}sample: 20.0%\n"), tmp_path) == "encoded already"
    assert state_of(load(f"{TABLE}sample: 21%\n"), tmp_path) == "there, not encoded yet"
    assert state_of(load(TABLE), tmp_path) == "there, not encoded yet"
