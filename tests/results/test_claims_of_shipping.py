"""A quick form of the simulations of shipping, students, inputs, calibration and groups: what is wrong is rare, what is good is taken."""

from dataclasses import replace

import numpy as np
import pytest

from tests.results.test_claims import at_most, loaded

STUDIES = 30


NAMES = ("shipping", "inputs", "calibration", "choices", "groups")
SHIPPING, INPUTS, CALIBRATION, CHOICES, GROUPS = (loaded(f"claims_of_{name}") for name in NAMES)


def count(question: object, studies: int) -> int:
    draw = np.random.default_rng(0)
    return sum(question.happens(draw) for _ in range(studies))  # type: ignore[attr-defined]  # of a script


@pytest.mark.parametrize(
    ("shop", "happened", "allowed"),
    [
        (SHIPPING.three(0.0005, 0.0003), "is_false_margin", at_most(STUDIES)),
        (
            SHIPPING.three(0.0003, 0.0002, -0.0005, -0.0003, loud=0.002, flops=(500, 5000)),
            "is_dear_and_worse",
            at_most(STUDIES),
        ),
        (SHIPPING.three(0.0003, 0.0002), "is_shown_to_be_worse", 0),
        (SHIPPING.of_students(5, 0.0005), "is_any_student_above", at_most(STUDIES)),
    ],
    ids=["two margins", "dear and worse", "shown to be worse", "five equal students"],
)
def test_what_is_shipped_and_said_of_students_is_rarely_wrong(
    shop: object, happened: str, allowed: int
) -> None:
    question = SHIPPING.Question("", shop, getattr(SHIPPING, happened))
    assert count(question, STUDIES) <= allowed


def test_an_equal_arm_of_half_the_cost_is_taken_where_errors_are_small() -> None:
    models = (SHIPPING.Model("hinet", spread=0.0005), SHIPPING.Model("mmoe", 0, None, 0.0005, 500))
    shop = SHIPPING.Shop(models, 0.0003)
    assert count(SHIPPING.Question("", shop, SHIPPING.is_cheap_one_taken), 20) > 15


@pytest.mark.parametrize(
    ("worths", "deviation", "users", "happened"),
    [
        ((0.0,) * 4, 0.0015, 0.0, "is_false_gain"),
        ((0.0,) * 4, 0.0005, 0.0015, "is_false_gain"),
        ((0.002, 0.0, 0.0, 0.0), 0.0015, 0.0, "is_margin_dropped"),
        ((0.0012,) * 4, 0.0002, 0.0, "is_margin_dropped"),
    ],
    ids=["no worth", "worth on these rows", "the margin", "the margin together"],
)
def test_what_is_said_of_inputs_is_rarely_wrong(
    worths: tuple[float, ...], deviation: float, users: float, happened: str
) -> None:
    truth = INPUTS.Trainings(worths, deviation, users=users)
    question = INPUTS.InputQuestion("", truth, getattr(INPUTS, happened))
    assert count(question, 300) <= at_most(300)


def test_a_group_of_no_worth_is_dropped_where_seeds_are_alike() -> None:
    question = INPUTS.InputQuestion(
        "", INPUTS.Trainings((0.0,) * 4, 0.0002), INPUTS.is_worthless_dropped
    )
    assert count(question, 100) > 60


def test_of_settings_without_worth_an_edge_is_rarely_named_and_one_of_worth_is_found() -> None:
    named = CHOICES.EdgeQuestion("", CHOICES.Settings(20, kind="random"))
    assert count(named, STUDIES) <= at_most(STUDIES)
    assert count(CHOICES.EdgeQuestion("", named.settings, tested=False), STUDIES) > STUDIES / 4
    assert count(CHOICES.EdgeQuestion("", CHOICES.Settings(60, kind="random", slope=8.0)), 5) > 2


def test_a_cell_that_is_right_is_rarely_calibrated() -> None:
    draw = np.random.default_rng(1)
    world = CALIBRATION.CALIBRATED["100 users of 20 rows"]
    cells = [world.told(draw) for _ in range(2 * STUDIES)]
    changed = [cell.calibrator.kind != "none" for cell in cells if "needed" not in cell.reason]
    assert sum(changed) <= at_most(2 * STUDIES)


def test_a_model_that_is_right_is_rarely_called_not_calibrated_and_one_that_is_off_is() -> None:
    draw = np.random.default_rng(1)
    for words in ("3 cells, 50 users of 40 rows in each", "10 cells, 200 users of 20 rows in each"):
        accused = [CALIBRATION.JUDGED[words].told(draw) for _ in range(STUDIES)]
        assert sum(accused) <= at_most(STUDIES)
        off = replace(CALIBRATION.JUDGED[words], factor=3.0)
        assert sum(off.told(draw) for _ in range(STUDIES)) > STUDIES / 2


def test_rates_that_go_on_inside_visits_are_found_and_others_rarely_accused() -> None:
    draw = np.random.default_rng(0)
    assert all(GROUPS.Visits("row", users=30).warnings(draw) for _ in range(3))
    assert sum(bool(GROUPS.Visits("group", users=30).warnings(draw)) for _ in range(10)) <= 1
