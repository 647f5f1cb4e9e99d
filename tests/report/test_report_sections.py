"""Sections: a golden text per section on the small study, and a card for every state a study can be in."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hinet_search import plugins
from hinet_search.records import StudyRecord
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.page import SECTIONS, cards
from tests.report.studies import Shape, empty, failed_only, hostile, small, study

GOLDEN = Path(__file__).parent / "golden"
REGENERATE = "HINET_SEARCH_REGENERATE"
STATES = {
    "small": small(),
    "empty": empty(),
    "no arms": replace(empty(), arms=()),
    "failed trials only": failed_only(),
    "no finalists": study(Shape(finalists=False, opened=False), state="running"),
    "finalists without test": study(Shape(opened=False)),
    "one scenario": study(Shape(scenarios=("Only",))),
    "one arm": study(Shape(arms=("hinet",))),
    "one seed": study(Shape(seeds=1)),
    "one class in a cell": study(Shape(single_class=(("Push", "order"),))),
    "one class everywhere": study(Shape(scenarios=("A",), tasks=("x",), single_class=(("A", "x"),))),
    "without single": study(Shape(arms=("ple", "hinet"))),
    "without hinet": study(Shape(arms=("single", "ple", "mmoe"))),
    "log loss": study(Shape(objective="logloss")),
    "one cell as objective": study(Shape(objective="auc[Home feed/click]")),
    "twenty scenarios": study(Shape(scenarios=tuple(f"Scenario {k}" for k in range(20)))),
    "hostile": hostile(),
}


def golden_text(card: Card) -> str:
    """The card, one element a line, so that a difference reads well."""
    html = f"<h2>{card.heading}</h2>\n<p>{card.lead}</p>\n{card.body}\n"
    return re.sub(r"(</(?:tr|thead|tbody|li|ul|p|dl|summary|h3|pre|details|div)>)(?=.)", r"\1\n", html)


def build(name: str, record: StudyRecord) -> Card:
    return plugins.load(SECTIONS, name).build(record)  # type: ignore[no-any-return]  # the section contract


@pytest.mark.parametrize("name", plugins.names(SECTIONS))
def test_a_section_of_the_small_study_reads_as_its_golden_file(name: str) -> None:
    text, path = golden_text(build(name, small())), GOLDEN / f"{name}.html"
    if os.environ.get(REGENERATE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        f"if this change is meant, set {REGENERATE}=1 and read the difference"
    )


def test_every_golden_file_belongs_to_a_section() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(plugins.names(SECTIONS))


@pytest.mark.parametrize("name", plugins.names(SECTIONS))
@pytest.mark.parametrize("state", STATES)
def test_a_section_builds_or_says_what_it_needs(name: str, state: str) -> None:
    try:
        card = build(name, STATES[state])
    except NotApplicable as reason:
        assert str(reason).startswith("needs ")  # noqa: PT017  # either outcome is right, each with its own form
    else:
        assert card.heading
        assert card.body


@pytest.mark.parametrize("state", STATES)
def test_every_section_has_one_card_and_an_id_of_its_own(state: str) -> None:
    ids = [card.id for card in cards(STATES[state])]
    assert len(ids) == len(set(ids)) == len(plugins.names(SECTIONS))


def test_the_verdict_comes_first() -> None:
    assert cards(small())[0].id == "verdict"


def test_a_section_that_cannot_be_built_is_muted_and_costs_no_other() -> None:
    found = {card.id: card for card in cards(empty())}
    assert "needs finalists" in found["cells"].body
    assert (found["cells"].muted, found["reproduce"].muted) == (True, False)


def test_a_cell_with_one_class_is_named_in_words() -> None:
    assert "one class in Push · order" in build("cells", STATES["one class in a cell"]).body


def test_the_reachable_auc_stands_beside_the_arms_where_it_is_known() -> None:
    record = small()
    known = tuple(replace(cell, reachable_auc=0.8123) for cell in record.data.cells)
    body = build("cells", replace(record, data=replace(record.data, cells=known))).body
    assert body.count("<td>.8123</td>") == 2
    assert "Reachable" not in build("cells", record).body


def test_gains_of_a_loss_are_positive_where_the_loss_is_lower() -> None:
    body = build("verdict", STATES["log loss"]).body
    assert re.findall(r'class="gain (\w+)"', body) == ["win"] * 6


def test_hinet_behind_its_rivals_is_marked_as_worse() -> None:
    body = build("verdict", study(Shape(arms=("ple", "hinet"), gap=-1.0))).body
    assert re.findall(r'class="gain (\w+)"', body) == ["loss"]


def test_all_arms_have_the_sign_of_the_verdict_in_the_table_by_cell() -> None:
    body = build("cells", study(Shape(arms=("single", "hinet"), gap=-1.0))).body
    assert body.count("▼") == 20 + 1 + 1  # forest, table, its smallest gain, and the legend
    assert body.count("▲") == 1


def test_an_integer_at_the_end_of_its_range_is_at_the_edge() -> None:
    record = small()
    hinet = record.arms[2]
    finalists = tuple(
        replace(one, parameters={**one.parameters, "model.scenario.num_sub_experts": 8}) for one in hinet.finalists
    )
    body = build("importance", replace(record, arms=(*record.arms[:2], replace(hinet, finalists=finalists)))).body
    assert body.count("at the edge") == 2  # and model.san.top_k


def test_few_positives_are_a_warning() -> None:
    body = build("trust", study(Shape())).body
    assert '<li class="warn"><b>Push · order has 8 positive rows in test.</b>' in body


def test_more_openings_than_finalists_are_a_warning() -> None:
    body = build("trust", replace(small(), test_openings=9)).body
    assert "Test was opened 9 times on these data,</b> 3 of them" in body


def test_unequal_numbers_of_trials_are_a_warning() -> None:
    record = small()
    short = replace(record.arms[0], trials=record.arms[0].trials[:-1])
    body = build("trust", replace(record, arms=(short, *record.arms[1:]))).body
    assert "unequal numbers of trials:</b> Single 7, PLE 8, HiNet 8." in body


def test_three_seeds_are_a_warning_and_five_are_not() -> None:
    few = "Only 3 seeds per finalist."
    assert (few in build("trust", small()).body, few in build("trust", study(Shape())).body) == (True, False)


def test_data_warnings_are_passed_on() -> None:
    record = small()
    warned = replace(record, data=replace(record.data, warnings=("order > click in 14 rows",)))
    assert '<li class="warn"><b>Data.</b> order &gt; click in 14 rows</li>' in build("trust", warned).body


def test_attention_of_the_finalist_sums_to_one_and_has_a_dash_on_the_diagonal() -> None:
    body = build("insight", study(Shape())).body
    rows = re.findall(r"<tr>(?:(?!</tr>).)*class=\"none\"(?:(?!</tr>).)*</tr>", body)
    sums = [sum(float(value) for value in re.findall(r">(\d?\.\d\d|1\.00)<", row)) for row in rows]
    assert sums == pytest.approx([1.0] * 5, abs=0.021)


def test_beyond_twelve_scenarios_attention_is_a_list_of_the_strongest() -> None:
    assert "Five strongest" in build("insight", STATES["twenty scenarios"]).body


def test_an_arm_without_attention_or_gates_says_so() -> None:
    with pytest.raises(NotApplicable, match="needs a model with attention or gates, PLE has neither"):
        build("insight", STATES["without hinet"])


def test_causes_of_failures_are_counted() -> None:
    body = build("failures", failed_only()).body
    assert body.count("out of memory at batch 8192") == 7
    assert "Traceback" not in body
