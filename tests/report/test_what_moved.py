"""The card of what moved the best finalist claims what is shown, and says plainly where nothing is."""

import json
from dataclasses import replace

import pytest

from hinet_search.report.formats import md
from hinet_search.report.json_document import json_text
from hinet_search.report.sections import NotApplicable, what_moved
from hinet_search.results.ablation import EVERY_CHOICE
from tests.report.moved import EXPERTS, GAINS, RATES, WIDTH, moved, with_choices
from tests.report.studies import small


def test_a_card_without_a_shown_gain_says_so() -> None:
    nothing = dict.fromkeys([(EVERY_CHOICE,), EXPERTS, RATES, WIDTH], 0.0)
    card = what_moved.build(with_choices(small(), nothing))
    assert card.heading == "What moved it: no single choice is shown to have"
    assert card.lead.startswith(
        "No single choice is shown to have moved it. No significant difference"
    )


def test_a_run_that_failed_leaves_a_row_that_claims_nothing() -> None:
    record = moved()
    runs = [run for run in record.paired_runs if run.left_out != EXPERTS or run.seed]
    card = what_moved.build(replace(record, paired_runs=tuple(runs)))
    assert card.heading == "What moved it: no single choice is shown to have"
    assert "4 of 5 seeds" in card.body


def test_settings_that_were_not_measured_are_named() -> None:
    card = what_moved.build(with_choices(small(), {EXPERTS: 0.01}))
    assert "Not measured: train.learning_rate, model.dropout," in card.body


def test_without_such_trainings_the_card_names_the_key() -> None:
    with pytest.raises(NotApplicable, match="the study key choices does so"):
        what_moved.build(small())


def test_the_documents_have_what_moved_it() -> None:
    document = json.loads(json_text(moved()))["choices"]
    assert (document["arm"], document["trial"]) == ("hinet", 1)
    assert document["choices"][0]["settings"] == {EXPERTS[0]: {"default": 3, "finalist": 7}}
    assert document["whole"]["mean"] == GAINS[(EVERY_CHOICE,)]
    assert "choices" not in json.loads(json_text(small()))
    (text,) = md.files(moved()).values()
    assert "Choices: On these rows validation is shown to improve with" in text
