"""What to ship: the card, the second plot of the verdict, and the same facts in every format."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from hinet_search.report import numbers
from hinet_search.report.formats import csv as csv_format
from hinet_search.report.formats import md
from hinet_search.report.json_document import json_text
from hinet_search.report.model_card import model_card
from hinet_search.report.page import render
from hinet_search.report.sections import Card, leaderboard, what_to_ship
from hinet_search.results.decision import decision
from hinet_search.results.ensemble_records import ENSEMBLE, TEACHER
from hinet_search.results.records import FinalistRun
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict as outcome_of
from tests.duels import NOISE, duel, meeting
from tests.report.arms import Shape
from tests.report.distilled import distilled, with_costs, with_ensemble, with_limits, with_student
from tests.report.edits import each_arm, each_run
from tests.report.nine_arms import few_rows
from tests.report.studies import empty, plain, study

DISTILLED = distilled()
NINE = few_rows()


def text_of(card: Card) -> str:
    return plain(f"{card.heading} {card.lead} {card.body}")


def ship(record: StudyRecord) -> str:
    """Return the visible text of the card that opens the page."""
    return text_of(what_to_ship.build(record))


def board(record: StudyRecord) -> str:
    """Return the visible text of the leaderboard."""
    return text_of(leaderboard.build(record))


def boxes(record: StudyRecord) -> dict[str, tuple[str, str, str]]:
    """Return number, remark and class of the numbers that open the page, by name."""
    found = re.findall(
        r'<dt>(.*?)</dt><dd(?: class="(\w+)")?>(.*?)<small>(.*?)</small>',
        what_to_ship.build(record).body,
    )
    return {name: (number, remark, kind) for name, kind, number, remark in found}


def rows_of(record: StudyRecord) -> dict[str, list[str]]:
    """Return the cells of the leaderboard by name."""
    body = str(leaderboard.build(record).body).split("</table>")[0]
    rows = re.findall(r"<tr[^>]*><th scope=\"row\">(.*?)</th>(.*?)</tr>", body)
    return {
        plain(name): [plain(cell) for cell in cells.split("</td>")[:-1]] for name, cells in rows
    }


def dots(record: StudyRecord) -> dict[str, tuple[float, float, str]]:
    """Return left, bottom and class of every dot by name."""
    drawn = re.findall(
        r'<i class="dot ([^"]*)" style="left:([\d.]+)%;bottom:([\d.]+)%" title="([^"]*)">',
        leaderboard.build(record).body,
    )
    return {name: (float(left), float(bottom), kind) for kind, left, bottom, name in drawn}


def test_a_first_launch_that_runs_says_how_long_it_has_run() -> None:
    begun = {"started": "2026-11-25T12:00:00+00:00", "updated": "2026-11-25T12:04:10+00:00"}
    record = replace(empty(), state="running", seconds=0.0, **begun)
    assert boxes(record)["Time so far"][0] == "4 m 10 s"
    assert boxes(replace(record, seconds=600.0))["Time so far"][0] == "10 m 0 s"
    assert boxes(replace(record, state="interrupted"))["Time so far"][0] == numbers.DASH


def test_the_first_numbers_are_value_time_and_gains_over_trees_and_over_the_default() -> None:
    assert list(boxes(NINE)) == [
        "Macro AUC on test",
        "Time for 100 rows",
        "Gain over Trees on test",
        "Gain over its default on validation",
    ]
    offer = decision(NINE, outcome_of(NINE)).taken
    assert offer is not None
    assert boxes(NINE)["Macro AUC on test"][:2] == (numbers.metric(offer.test), "mean over 5 seeds")
    assert boxes(NINE)["Time for 100 rows"][0] == numbers.milliseconds(offer.milliseconds)
    tuned = "+0.0010", "5 seeds; chosen on the same rows", ""
    assert boxes(NINE)["Gain over its default on validation"] == tuned


def test_the_winner_over_the_focus_has_its_gain_turned() -> None:
    levels = {"hinet": 0.70, "trees": 0.75}
    record = meeting(**{name: [mean + n for n in NOISE] for name, mean in levels.items()})
    record = replace(record, reference="hinet")
    (contrast,) = outcome_of(record).contrasts
    assert contrast.difference is not None
    low, high = contrast.difference.low, contrast.difference.high
    assert low is not None
    assert high is not None
    expected = "+0.0500", numbers.interval(-high, -low), "win"
    assert boxes(record)["Gain over HiNet on test"] == expected


def test_one_latency_of_a_model_stands_everywhere_on_a_page() -> None:
    times = iter([2.0, 3.0, 40.0, 2.5, 9.0] * 30)

    def timed(run: FinalistRun) -> FinalistRun:
        return replace(run, cost=replace(run.cost, milliseconds_per_100=next(times)))

    record = each_arm(NINE, lambda arm: each_run(arm, timed))
    page = render(record)
    assert boxes(record)["Time for 100 rows"][0] == "3.00 ms"  # the median
    assert set(re.findall(r"[\d.]+ ms(?= *<)", page)) == {"3.00 ms"}


def test_if_nothing_meets_the_limits_the_page_says_by_how_much() -> None:
    record = with_limits(study(Shape(arms=("single", "ple", "hinet"))), flops=1e6)
    text = ship(record)
    assert text.startswith("No model can be taken Why: nothing meets the serving limits; Single is")
    assert "nearest and takes 2.40 times" in text
    assert "raise serving.max_flops_per_row to 2,400,000" in text
    assert "hinet-search export" not in text


def test_students_and_ensemble_are_said_to_stand_on_all_arms() -> None:
    told = "stand on the finalists of all arms, outside their equal budgets"
    assert f"Students and the ensemble {told}" in board(DISTILLED)
    assert f"Students {told}" in board(with_student(NINE, "hinet"))
    assert "The ensemble stands on the finalists of all arms" in board(with_ensemble(NINE))
    assert "outside their equal budgets" not in board(with_limits(NINE, flops=1e9))


def test_trees_that_are_the_best_single_model_are_said_to_be() -> None:
    levels = {"trees": 0.75, "ple": 0.70, "hinet": 0.70}
    record = meeting(**{name: [mean + n for n in NOISE] for name, mean in levels.items()})
    record = with_costs(record, trees=(0, 1.0))
    record = each_arm(
        record, lambda arm: each_run(arm, lambda run: replace(run, valid_objective=0.9)), "trees"
    )
    assert "Trees is the best single model on validation." in board(with_ensemble(record))
    assert "best single model" not in board(DISTILLED)


def test_costs_are_times_and_a_model_without_one_is_not_drawn() -> None:
    record = with_costs(with_student(NINE, "hinet"), ple=(3_000_000, None))
    assert "milliseconds for 100 rows, log scale" in board(record)
    assert "Without milliseconds for 100 rows or test, so not drawn: PLE." in board(record)
    assert "PLE" not in dots(record)


def test_costs_are_flops_where_no_time_is_known() -> None:
    record = with_costs(NINE, **{arm.name: (3_000_000, None) for arm in NINE.arms})
    assert "FLOPs per row, log scale" in board(record)
    assert "ms" not in rows_of(record)["PLE"][1]


@pytest.mark.parametrize(("limit", "drawn"), [(3.0, True), (2000.0, False)])
def test_a_limit_is_drawn_if_it_is_near_the_costs(limit: float, drawn: bool) -> None:
    assert (
        "serving limit<" in leaderboard.build(with_limits(NINE, milliseconds=limit)).body
    ) == drawn


def test_under_few_seeds_the_page_advises_the_full_size_alone_and_names_no_leader() -> None:
    sizes = "sizes:\n  quick:\n    trials: 2\n  full:\n    trials: 20\n"
    few = duel([0.75, 0.751], [0.7, 0.701])
    record = replace(with_student(few, "hinet", valid=0.01), state="done", study_yaml=sizes)
    card = what_to_ship.build(record)
    launch = "hinet-search launch studies/shop.yaml --size full"
    assert card.heading == "It works; nothing is decided yet: run --size full"
    assert f"{launch}</code>" in card.body
    assert f'data-copy="{launch}"' in card.body
    assert "export" not in card.body
    assert leaderboard.build(record).heading == "The models in the order of test"
    assert "taken" not in board(record)


def test_before_test_is_opened_the_models_are_shown_and_none_is_taken() -> None:
    record = with_student(study(Shape(opened=False)), "hinet")
    assert what_to_ship.build(record).heading == outcome_of(record).sentence
    assert "Test has not been used yet." in leaderboard.build(record).lead
    assert "taken" not in board(record)


def test_a_study_of_one_arm_shows_what_teaching_gained() -> None:
    record = with_student(study(Shape(arms=("hinet",))), "hinet", test=0.01)
    assert "Distilled HiNet against HiNet ▲ +0.0100" in board(record)


def test_markdown_has_the_gains_of_students_and_what_to_ship() -> None:
    text = md.files(DISTILLED)[".md"]
    assert "| Distilled STAR against STAR | ▲ +0.0070 |" in text
    assert "| Ensemble against HiNet | ○ +0.0045 |" in text
    assert "| Distilled STAR | student | 1 | 0.7572 | 0.7544 | 1.50 ms | 2.64 M |" in text
    assert "Distilled STAR: the best within the serving limits" in text
    assert "What to ship" not in md.files(NINE)[".md"]


def test_the_document_has_students() -> None:
    data = json.loads(json_text(DISTILLED))
    assert [(each["name"], each["student_of"]) for each in data["students"]] == [
        ("distilled_star", "star/1"),
        ("distilled_hinet", "hinet/1"),
    ]
    assert data["students"][0]["contrast"]["gain"] == pytest.approx(0.007)
    assert {row[0] for row in data["student_trials"]["rows"]} == {
        "distilled_star",
        "distilled_hinet",
    }


def test_the_document_has_ensembles_and_the_shipment() -> None:
    data = json.loads(json_text(DISTILLED))
    teacher, ensemble = data["ensembles"]
    assert (teacher["name"], teacher["test"], len(teacher["members"])) == (TEACHER, None, 135)
    assert (ensemble["method"], ensemble["gain"]) == ("selected", [0.0012, 0.0004, 0.002])
    assert sum(member[-1] for member in ensemble["members"]) == pytest.approx(1.0, abs=1e-4)
    assert data["shipment"]["taken"] == "distilled_star"
    assert [offer["name"] for offer in data["shipment"]["offers"] if not offer["meets_limits"]] == [
        "ensemble"
    ]


def test_the_csv_has_a_row_per_member_with_its_weight() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_format.files(DISTILLED)[".members.csv"])))
    assert [row["ensemble"] for row in rows].count(ENSEMBLE) == 7
    assert {row["arm"] for row in rows if row["ensemble"] == ENSEMBLE} == {
        "trees",
        "hinet",
        "distilled_star",
    }
    assert ".members.csv" not in csv_format.files(NINE)


def test_the_card_of_a_student_names_its_teacher_and_compares_it_with_its_arm() -> None:
    card = model_card(DISTILLED, "distilled_star", [0], [])
    assert card.startswith("# kuairand / distilled\\_star")
    assert (
        "**Distilled from**: the mean of the probabilities of 135 runs of Single, Shared Bottom"
        in card
    )
    assert re.search(r"\| Distilled STAR \| 0\.7544 \| 5 \|", card)
    assert re.search(r"\| STAR \| 0\.7474 \| 5 \|", card)
    assert "What to take by the rules of the study: Distilled STAR" in card
    assert "Distilled from" not in model_card(DISTILLED, "star", [0], [])


def test_a_study_that_refits_says_whose_metrics_these_are() -> None:
    plain = few_rows()
    refitting = replace(plain, budget=replace(plain.budget, refit=True))
    assert "is of the model before" in board(refitting)
    assert "is of the model before" not in board(distilled())
