"""A study of a sample says in every form of its report what it searched on."""

import json
from dataclasses import replace

import pytest

from hinet_search.report.formats import md
from hinet_search.report.json_document import json_text
from hinet_search.report.model_card import ensemble_card, model_card
from hinet_search.report.page import render
from hinet_search.results.data_record import SampleRecord
from tests.report.planted import clean
from tests.report.studies import plain

WHOLE = clean()
RECORD = replace(WHOLE, data=replace(WHOLE.data, sample=SampleRecord(0.05, "users", 1_000_209)))
WORDS = f"5 % of the users: {sum(RECORD.data.rows):,} of 1,000,209 rows"


def test_the_page_says_so_in_the_verdict_and_before_one_trusts_it() -> None:
    text = plain(render(RECORD))
    assert f"selected by mean AUC on validation, searched on {WORDS}." in text
    assert f"Searched on {WORDS}." in text
    assert "of 1,000,209 rows" not in plain(render(WHOLE))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (md.files(RECORD)[".md"], f"Searched on {WORDS}"),
        (model_card(RECORD, "hinet", [0], []), f"- **Sample**: {WORDS}"),
        (ensemble_card(RECORD, []), f"- **Sample**: {WORDS}"),
    ],
    ids=["markdown", "card of a model", "card of an ensemble"],
)
def test_markdown_and_the_cards_of_an_export_say_so(text: str, words: str) -> None:
    assert words in text


def test_the_document_has_the_share_and_the_number_of_all_rows() -> None:
    document = json.loads(json_text(RECORD))
    assert document["data"]["sample"] == {"share": 0.05, "unit": "users", "all_rows": 1_000_209}
    assert "sample" not in json.loads(json_text(WHOLE))["data"]
