"""A study of a sample says in every form of its report what it searched on."""

import json
from dataclasses import replace

import pytest

from hinet_search.report.checks import data as data_check
from hinet_search.report.formats import md
from hinet_search.report.json_document import json_text
from hinet_search.report.model_card import ensemble_card, model_card
from hinet_search.report.page import render
from hinet_search.results.data_record import SampleRecord
from hinet_search.results.finalist_values import chosen
from hinet_search.results.study_record import StudyRecord
from tests.report.planted import clean
from tests.report.studies import plain

WHOLE = clean()


@pytest.fixture(scope="module")
def record() -> StudyRecord:
    """A study of a twentieth of its users."""
    sample = SampleRecord(0.05, "users", 1_000_209)
    return replace(WHOLE, data=replace(WHOLE.data, sample=sample))


def words(record: StudyRecord) -> str:
    return f"earched on 5 % of the users: {sum(record.data.rows):,} of 1,000,209 rows"


def test_the_page_says_so_in_the_verdict_and_before_one_trusts_it(record: StudyRecord) -> None:
    text = plain(render(record))
    assert f"selected by mean AUC on validation, s{words(record)}." in text
    assert f"S{words(record)}." in text
    assert "of 1,000,209 rows" not in plain(render(WHOLE))


def test_markdown_and_a_public_page_say_so(record: StudyRecord) -> None:
    assert words(record) in md.files(record)[".md"]


def test_the_check_of_the_data_warns(record: StudyRecord) -> None:
    finding = data_check.check(record)
    assert (finding.warns, finding.details) == (True, (f"S{words(record)}.",))
    assert not data_check.check(WHOLE).warns


def test_the_card_of_an_export_says_so(record: StudyRecord) -> None:
    finalist = chosen(record.arms[-1])
    assert finalist is not None
    card = model_card(record, record.arms[-1].name, [finalist.runs[0].seed], [])
    for text in (card, ensemble_card(record, [])):
        assert f"- **Sample**: 5 % of the users: {sum(record.data.rows):,} of 1,000,209" in text


def test_the_document_has_the_share_and_the_number_of_all_rows(record: StudyRecord) -> None:
    document = json.loads(json_text(record))
    assert document["data"]["sample"] == {"share": 0.05, "unit": "users", "all_rows": 1_000_209}
    assert "sample" not in json.loads(json_text(WHOLE))["data"]
