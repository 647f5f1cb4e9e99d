"""Names that 1.0 removed are refused with what to use instead."""

import pytest
from click.testing import CliRunner

import hinet_search
from hinet_search.cli import cli
from hinet_search.common.errors import did_you_mean, gone_or_similar
from hinet_search.common.gone import GONE, gone


def test_a_name_that_was_never_known_has_no_reason():
    assert gone("train.learning_rate") == ""


@pytest.mark.parametrize("name", GONE)
def test_a_gone_name_says_since_when_and_what_to_use_in_one_sentence(name):
    reason = gone(f"train.{name}")

    assert reason.startswith(f"'{name}' is gone since 1.0: ")
    assert reason.count("\n") == 0
    assert len(reason.partition(": ")[2]) > 8


def test_a_gone_name_is_no_misspelling_of_one_that_stayed():
    assert gone_or_similar("tracking", ["tracing"]) == f"; {gone('tracking')}"


def test_a_command_that_never_was_gets_no_reason():
    assert "gone" not in CliRunner().invoke(cli, ["lauch"]).output


def test_a_function_that_is_gone_is_refused_with_its_reason():
    with pytest.raises(AttributeError, match=r"has no attribute 'fit_again'$"):
        hinet_search.fit_again  # noqa: B018


def test_a_column_may_have_a_name_that_is_gone_among_ours() -> None:
    assert did_you_mean("state", ["State", "city"]) == "; did you mean 'State'?"
    assert did_you_mean("state", ["city"]) == ""
