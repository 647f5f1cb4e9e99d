"""The page: one small file, fast to write, with the verdict in its title and its data inside."""

import base64
import gzip
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from hinet_search.report import page
from hinet_search.report.page import render
from hinet_search.results.contrasts import contrasts
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.report.arms import Shape
from tests.report.nine_arms import few_rows
from tests.report.studies import INJECTION, empty, hostile, small, study

TWENTY_TRIALS = study(Shape(trials=20))


def text_of(html: str) -> str:
    match = re.search(
        r'<script type="application/gzip" id="record">(.*?)</script>', html, re.DOTALL
    )
    assert match is not None
    return gzip.decompress(base64.b64decode(match[1])).decode()


def data_of(html: str) -> dict[str, object]:
    return json.loads(text_of(html))  # type: ignore[no-any-return]  # the page's own JSON


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (small(), "It works; nothing is decided yet: train 5 seeds"),
        (empty(), verdict(empty()).sentence),
        (study(), "Take HiNet"),
    ],
    ids=["small", "empty", "seven arms"],
)
def test_title_and_heading_say_what_to_take_or_what_is_missing(
    record: StudyRecord, sentence: str
) -> None:
    html = render(record)
    assert f"<title>shop: {sentence}</title>" in html
    assert re.findall(r"<h1>(.*?)</h1>", html) == [sentence]


def test_the_verdict_follows_as_a_heading() -> None:
    assert f'<a href="#verdict">{verdict(study()).sentence}</a></h2>' in render(study())


def test_a_part_of_folded_cards_alone_has_its_name_as_heading() -> None:
    html = render(study())
    assert '<h2><a href="#search">Search</a></h2>' in html
    assert '<a href="#search">Search</a>' in html.split("</nav>")[0]


def test_ten_thousand_trials_fit_half_a_megabyte() -> None:
    assert len(render(study(Shape(trials=10_000 // 7 + 1))).encode()) < 500_000


def test_the_script_is_under_3_kilobytes() -> None:
    script = re.findall(r"<script>(.*?)</script>", render(small()), re.DOTALL)
    assert len(script) == 1
    assert 2_000 < len(script[0].encode()) < 3_000


def test_nothing_in_the_page_points_outside() -> None:
    assert not re.findall(r"https?://|//[a-z]+\.", render(study()))


def test_the_content_security_policy_forbids_everything_but_inline() -> None:
    assert (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
        in render(small())
    )


@pytest.mark.parametrize("record", [study(), few_rows(), empty(), hostile()])
def test_every_link_has_its_target_in_the_page_and_no_text_names_another(
    record: StudyRecord,
) -> None:
    html = render(record)
    targets = set(re.findall(r'href="?#([^">]+)', html))
    assert len(targets) > 4
    assert targets <= {*re.findall(r' id="?([\w-]+)', html), "json", "csv"}
    assert not re.findall(r"\.md#", html)


def test_every_header_cell_has_a_scope() -> None:
    headers = re.findall(r"<th[^e][^>]*>|<th>", render(study()))
    assert [header for header in headers if "scope=" not in header] == []


def test_the_trials_inside_agree_with_the_record() -> None:
    trials = data_of(render(TWENTY_TRIALS))["trials"]
    assert isinstance(trials, dict)
    assert len(trials["rows"]) == 7 * 20
    arm = TWENTY_TRIALS.arms[0]
    for values, trial in zip(trials["rows"][:20], arm.trials, strict=True):
        row = dict(zip(trials["columns"], values, strict=True))
        assert row["arm"] == arm.name
        assert row["value"] == (trial.value and pytest.approx(trial.value, rel=1e-5))
        assert row["parameters"] == trial.cost.dense_parameters  # type: ignore[union-attr]  # trials of this study have costs
        assert row["model.san.top_k"] is None  # that only HiNet searches


def test_the_data_inside_hold_the_contrasts_and_the_ensembles() -> None:
    record = few_rows()
    data = data_of(render(record))
    gains = [contrast["gain"] for contrast in data["verdict"]["contrasts"]]  # type: ignore[index, call-overload]  # the page's own JSON
    assert gains == [
        contrast.difference and pytest.approx(contrast.difference.mean, rel=1e-4)
        for contrast in contrasts(record)
    ]
    finalist = data["arms"][0]["finalists"][1]  # type: ignore[index, call-overload]  # likewise
    summary = record.arms[0].finalists[1].summary
    assert summary is not None
    assert finalist["ensemble"]["test"]["auc"] == pytest.approx(
        [cell.auc for cell in summary.ensemble_test_cells], abs=1e-5
    )
    assert [len(finalist[name]) for name in ("seeds", "valid", "test")] == [5, 5, 5]


def test_values_by_cell_are_in_the_order_of_the_cells() -> None:
    record = small()
    turned = replace(record, data=replace(record.data, cells=record.data.cells[::-1]))
    first, second = (
        data_of(render(each))["arms"][0]["finalists"][1]["test"][0]["auc"]
        for each in (record, turned)
    )  # type: ignore[index, call-overload]  # likewise
    assert first == second[::-1]


def test_not_a_number_becomes_null_in_the_data() -> None:
    record = small()
    arms = (replace(record.arms[0], fixed={"train.momentum": float("nan")}), *record.arms[1:])
    assert '"fixed":{"train.momentum":null}' in text_of(render(replace(record, arms=arms)))


def test_the_footer_names_the_command_with_the_places_of_the_launch() -> None:
    html = render(replace(small(), command="hinet-search launch shop --output /tmp/try --trials 5"))
    assert "<code>hinet-search report shop --output /tmp/try</code><" in html
    assert "\nhinet-search report shop --output /tmp/try</code></pre>" in html


def test_hostile_names_open_no_element() -> None:
    html = render(hostile())
    assert html.count("<script") == 2
    assert "<img" not in html
    assert INJECTION in unescape(html)


def test_a_running_study_is_marked_as_preliminary() -> None:
    assert ("Preliminary" in render(empty()), "Preliminary" in render(small())) == (True, False)


def test_the_same_record_gives_the_same_bytes() -> None:
    assert render(small()) == render(small())


def test_the_dark_palette_is_the_same_by_preference_and_by_button() -> None:
    style = (Path(page.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    by_preference, by_button = (
        re.findall(r"\{(--bg[^}]*)\}", line) for line in style.splitlines()[1:3]
    )
    assert by_preference == by_button != []
