"""Sections: a card for every state of a study, and the texts of single cards."""

import re
from dataclasses import replace

import pytest

from hinet_search.common import plugins
from hinet_search.report.numbers import metric
from hinet_search.report.page import SECTIONS, cards
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape
from tests.report.distilled import distilled, with_ensemble, with_limits, with_student
from tests.report.nine_arms import few_rows, running
from tests.report.planted import PLANTED
from tests.report.studies import INJECTION, empty, failed_only, hostile, small, study

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
    "one class everywhere": study(
        Shape(scenarios=("A",), tasks=("x",), single_class=(("A", "x"),))
    ),
    "without single": study(Shape(arms=("ple", "hinet"))),
    "without hinet": study(Shape(arms=("single", "ple", "mmoe"))),
    "log loss": study(Shape(objective="logloss")),
    "one cell as objective": study(Shape(objective="auc[Home feed/click]")),
    "twenty scenarios": study(Shape(scenarios=tuple(f"Scenario {k}" for k in range(20)))),
    "hostile": hostile(),
    "nine arms": few_rows(),
    "running": running(),
    "distilled": distilled(),
    "distilled and hostile": with_ensemble(with_student(hostile(), INJECTION)),
    "limits alone": with_limits(small(), flops=1.0),
    "limits before finalists": with_limits(empty(), flops=1.0),
    "one arm, distilled": with_student(study(Shape(arms=("hinet",))), "hinet"),
}


def build(name: str, record: StudyRecord) -> Card:
    return plugins.load(SECTIONS, name).build(record)  # type: ignore[no-any-return]  # the section contract


def words_of(record: StudyRecord) -> str:
    """Return the visible text of the page."""
    return " ".join(
        re.sub(r"<[^>]+>", " ", f"{card.heading} {card.lead} {card.body}") for card in cards(record)
    )


@pytest.mark.parametrize("state", STATES)
def test_every_section_has_one_card_with_its_content_or_what_it_needs(state: str) -> None:
    built = cards(STATES[state])
    ids = sorted(card.id for card in built)
    assert ids == sorted(name.replace("_", "-") for name in plugins.names(SECTIONS))
    for card in built:
        assert card.heading, card.id
        assert card.body.startswith("needs ") if card.muted else card.body, card.id


def test_what_to_take_comes_first_then_the_leaderboard_and_the_verdict() -> None:
    order = ["what-to-ship", "leaderboard", "verdict"]
    assert [card.id for card in cards(small())][:3] == order


def test_a_section_that_cannot_be_built_is_muted_and_costs_no_other() -> None:
    by_id = {card.id: card for card in cards(empty())}
    assert "needs finalists" in by_id["cells"].body
    assert (by_id["cells"].muted, by_id["reproduce"].muted) == (True, False)


def test_a_cell_with_one_class_is_named_in_words() -> None:
    assert "one class in Push · order" in build("cells", STATES["one class in a cell"]).body


def test_the_reachable_auc_stands_beside_the_arms_where_it_is_known() -> None:
    record = small()
    known = tuple(replace(cell, reachable_auc=0.8123) for cell in record.data.cells)
    body = build("cells", replace(record, data=replace(record.data, cells=known))).body
    assert body.count("<td>0.8123</td>") == 2
    assert "Reachable" not in build("cells", record).body


def test_gains_of_a_loss_are_positive_where_the_loss_is_lower() -> None:
    body = build("verdict", STATES["log loss"]).body
    assert re.findall(r'class="gain (\w+)"', body) == ["win"] * 6


def test_hinet_behind_its_rivals_is_marked_as_worse() -> None:
    body = build("verdict", study(Shape(arms=("ple", "hinet"), gap=-1.0))).body
    assert re.findall(r'class="gain (\w+)"', body) == ["loss"]


def test_cells_have_the_sign_of_the_verdict() -> None:
    body = build("cells", study(Shape(arms=("single", "hinet"), gap=-1.0))).body
    assert (body.count("▼"), body.count("▲")) == (10, 0)


def test_no_setting_is_called_important_and_an_edge_needs_trials_that_point_to_it() -> None:
    card = build("ranges", small())
    assert "mportan" not in f"{card.heading}{card.lead}{card.body}"
    assert card.heading == "Best values of HiNet in their ranges"
    assert build("ranges", PLANTED["range_edges"]).heading == (
        "Over all arms 3 best values lie at the edge of a range"
    )


def test_a_gain_over_the_default_on_the_rows_that_chose_has_no_mark() -> None:
    body = build("default_beside_tuned", small()).body
    assert "Over default" in body
    assert not re.search("[▲▼]", body)


def test_choices_are_written_as_the_best_value_is() -> None:
    hinet = small().arms[2]
    ranges = tuple(
        replace(searched, choices=("True", "False", "None", "Truest"))
        for searched in hinet.ranges[-1:]
    )
    body = build("ranges", replace(small(), arms=(replace(hinet, ranges=ranges),))).body
    assert "one of true, false, none, Truest" in body


def test_gates_are_named_as_cells_are_in_tables() -> None:
    body = build("insight", study(Shape(scenarios=("Home", "Push")))).body
    assert re.findall(r'scope="row">([^<]*·[^<]*)<', body) == [
        "Home · click",
        "Home · order",
        "Push · click",
        "Push · order",
    ]


def test_one_of_everything_is_written_in_the_singular() -> None:
    record = study(
        Shape(arms=("single", "hinet"), scenarios=("Home",), tasks=("click",), trials=1, seeds=1)
    )
    words = words_of(
        replace(record, budget=replace(record.budget, epochs=1.0, finalist_top=1), slots=1)
    )
    singular = r"\b1 (?:[a-z]+ )?(?:trials|seeds|epochs|intervals|configurations|cells|arms|slots|finalists)\b"
    assert re.findall(singular, words) == []
    assert "up to 1 trial of 1 epoch each" in words
    assert "The best configuration of each arm and its default were retrained with 1 seed;" in words


def test_a_default_that_was_not_retrained_is_not_said_to_be() -> None:
    record = study(Shape(arms=("single", "hinet")))
    alone = [
        replace(arm, finalists=tuple(each for each in arm.finalists if not each.is_default)[:1])
        for arm in record.arms
    ]
    budget = replace(record.budget, finalist_top=1)
    words = words_of(replace(record, arms=tuple(alone), budget=budget))
    assert (
        "The best configuration of each arm was retrained with 5 seeds; it represents the" in words
    )


@pytest.mark.parametrize(
    ("in_search", "words"),
    [
        (0.9, "best trials lost 0.1463: selection bias of the best of several."),
        (0.7, "best trials lost nothing."),
    ],
)
def test_what_best_trials_lost_with_new_seeds_is_said(in_search: float, words: str) -> None:
    record = study(Shape(arms=("single", "hinet")))
    arms = [
        replace(
            arm,
            trials=tuple(
                replace(trial, state="complete", value=value)
                for trial, value in zip(arm.trials, (0.5, in_search), strict=False)
            ),
        )
        for arm in record.arms
    ]
    body = build("default_beside_tuned", replace(record, arms=tuple(arms))).body
    assert f"The best trial of HiNet had {metric(in_search)} in the search and has 0.75" in body
    assert f"with 5 seeds that did not choose it. On average over 2 arms, {words}" in body


def test_defaults_were_retrained_although_that_of_one_arm_failed() -> None:
    record = study(Shape(arms=("single", "hinet")))
    budget = replace(record.budget, finalist_top=2)
    first = replace(record.arms[0], finalists=record.arms[0].finalists[1:])
    words = words_of(replace(record, arms=(first, record.arms[1]), budget=budget))
    assert "The 2 best configurations of each arm and its default were retrained with 5" in words


def test_with_one_seed_nothing_is_said_of_spread_or_intervals_at_once() -> None:
    several, single = (words_of(study(Shape(seeds=seeds))) for seeds in (5, 1))
    for words in (
        "over seeds",
        "hold for all cells",
        "corrected",
        "Student",
        "95 % interval",
        "standard deviation",
    ):
        assert (words in several, words in single) == (True, False), words


def test_a_dot_without_room_for_its_name_has_a_number_that_the_legend_explains() -> None:
    names = [f"part_{k}" for k in range(8)]
    body = build("leaderboard", study(Shape(arms=("hinet", *names)))).body
    assert sorted(re.findall(r'<i class="dot[^>]*title="(part_\d)"', body)) == names
    unnamed = set(re.findall(r"<span(?: class=\"narrow\")?> (\d+): part_\d\.</span>", body))
    assert unnamed == set(re.findall(r'<span class="tag [^>]*>(\d+)<', body)) != set()


def test_beyond_twelve_scenarios_attention_is_a_list_of_the_strongest() -> None:
    assert "Five largest weights" in build("insight", STATES["twenty scenarios"]).body


def test_an_arm_without_attention_or_gates_says_so() -> None:
    with pytest.raises(
        NotApplicable, match="needs a model with attention or gates, PLE has neither"
    ):
        build("insight", STATES["without hinet"])


def test_causes_of_failures_are_counted() -> None:
    body = build("failures", failed_only()).body
    assert body.count("out of memory at batch 8192") == 7
    assert "Traceback" not in body


def test_a_budget_of_time_is_told_where_the_study_is_reproduced() -> None:
    record = study()
    body = build("reproduce", record).body
    assert "24 trials per arm, 4 epochs" in body
    in_time = replace(record, budget=replace(record.budget, seconds=7200.0))
    assert "24 trials per arm in a budget of 2 h 0 m, 4 epochs" in build("reproduce", in_time).body
