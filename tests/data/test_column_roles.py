"""Guesses: the role of a column, a split's too, is guessed from its name, type and values."""

from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from hinet_search.data.guess.column_facts import facts_of
from hinet_search.data.guess.column_roles import guess_roles
from hinet_search.data.guess.roles import ColumnRoles
from hinet_search.data.objects import flattened
from hinet_search.data.raw_values import as_text
from tests.data.guessing import N, drafted, facts, guessed, names
from tests.data.odd_tables import odd_table

CLOCK = [datetime(2026, 5, 1) + timedelta(hours=hour) for hour in range(N)]  # noqa: DTZ001  exports have no zone


def test_values_of_all_columns_in_one_pass_are_those_of_each_column_alone() -> None:
    columns = {
        "channel": ["b", "a", None] * 4,
        "same channel": ["b", "a", "a"] * 4,
        "level": [3, 1, 1, None] * 3,
        "share": [0.5, None, -1.0, 0.5] * 3,
        "seen": [True, False, None] * 4,
        "price": [Decimal("1.50"), None, Decimal("2.00")] * 4,
        "nothing": [None] * 12,
    }
    table = pl.DataFrame(columns).with_columns(kind=pl.col("channel").cast(pl.Categorical))
    for column in facts_of(table.lazy()):
        present = table[column.name].drop_nulls()
        rows = {value: present.eq(value).sum() for value in present.unique()}
        in_order = sorted(rows, key=lambda value: (-rows[value], value))
        texts = as_text(pl.Series(in_order, dtype=column.dtype)).to_list()
        assert column.values == tuple(zip(texts, (rows[each] for each in in_order), strict=True))


@pytest.fixture(scope="module")
def odd() -> ColumnRoles:
    return guess_roles(facts_of(flattened(odd_table().lazy(), "")))


def test_labels_scenario_user_item_and_time_of_an_odd_table_are_found(odd: ColumnRoles) -> None:
    assert odd.scenario is not None
    assert odd.user is not None
    assert odd.item is not None
    assert odd.time is not None
    roles = (odd.scenario, odd.user, odd.item, odd.time)
    assert names(roles) == ["Channel", "user id", "商品 id", "shownAt"]
    assert names(odd.tasks) == ["is clicked", "Order count"]


def test_features_of_an_odd_table_are_separated_from_outcomes_and_useless_columns(
    odd: ColumnRoles,
) -> None:
    assert names(odd.categorical) == ["user id", "商品 id", "yes"]
    assert names(odd.numeric) == ["Preis (€)", "age: days", "is new"]
    assert names(odd.outcomes) == ["dwell seconds"]
    assert {role.column.name: role.reason for role in odd.left_out} == {
        "viewed": "lists; to use them see `lists` in docs/data.md: they must end before the first row",
        "note": "no value in any row",
        "nested.a": "the same value in every row",
        "nested.b": "the same value in every row",
        "version": "the same value in every row",
        "row": "a different value in every row",
        "day as text": "dates as text; as a column of dates it could split by time",
    }


def test_what_is_unsure_says_what_to_look_at(odd: ColumnRoles) -> None:
    doubts = {
        role.column.name for role in (*odd.tasks, *odd.numeric, *odd.outcomes) if role.to_check
    }
    assert doubts == {"Order count", "is new", "dwell seconds"}


def test_without_a_name_like_an_outcome_every_binary_column_is_a_label_to_review() -> None:
    guesses = guess_roles(
        facts(scene=["a", "b", "c"] * 200, flag=[0, 1] * 300, other=[0, 0, 0, 1] * 150)
    )
    assert names(guesses.tasks) == ["flag", "other"]
    assert all(role.to_check for role in guesses.tasks)


def test_labels_are_in_the_order_of_the_funnel() -> None:
    guesses = guessed(is_order=[0, 0, 0, 1] * 150, is_like=[1, 1, 1, 0] * 150)
    assert names(guesses.tasks) == ["is_like", "is_click", "is_order"]


def test_without_a_scenario_by_name_the_text_of_fewest_values_is_taken_with_a_doubt() -> None:
    scenario = guess_roles(
        facts(is_click=[0, 1] * 300, city=["x", "y", "z"] * 200, kind=[1, 2] * 300)
    ).scenario
    assert scenario is not None
    assert scenario.column.name == "city"
    assert scenario.to_check


@pytest.mark.parametrize(
    "values", [[i / 7 for i in range(N)], ["a" * 100, "b" * 100] * 300], ids=["many", "long"]
)
def test_many_values_and_long_texts_are_no_scenario(values: list[object]) -> None:
    assert guess_roles(facts(is_click=[0, 1] * 300, column=values)).scenario is None


@pytest.mark.parametrize(
    ("values", "is_time"),
    [
        ([1_700_000_000 + i for i in range(N)], True),
        ([1_700_000_000_000 + i for i in range(N)], True),
        ([20260501 + i % 20 for i in range(N)], True),
        ([i % 24 for i in range(N)], False),
        ([*range(1_700_000_000, 1_700_000_000 + N - 1), None], False),
    ],
)
def test_numbers_are_a_clock_where_they_can_be_moments_and_have_no_gaps(
    values: list[object], *, is_time: bool
) -> None:
    assert (guessed(timestamp=values).time is not None) is is_time


@pytest.mark.parametrize(("repeats", "is_asked"), [(4, True), (1, False)])
def test_where_no_user_is_found_the_definition_asks_about_an_id(
    repeats: int, *, is_asked: bool
) -> None:
    frame = pl.DataFrame(
        {
            "is_click": [0, 1] * (N // 2),
            "age": [i % 50 / 7 for i in range(N)],
            "handle": [f"h{i // repeats}" for i in range(N)],
        }
    )
    question = "# user: handle   # check: no user found, and intervals are over rows; "
    assert (question in drafted(frame)[1]) is is_asked


@pytest.mark.parametrize(
    "name", ["birthday", "date_of_birth", "registered_at", "signup date", "生日"]
)
def test_a_date_that_belongs_to_a_person_is_not_the_time(name: str) -> None:
    assert guessed(**{name: CLOCK}).time is None


@pytest.mark.parametrize("user", ["seeker_id", "candidateId", "patient", "driver_id", "subscriber"])
@pytest.mark.parametrize("item", ["job_id", "listing", "post_id", "courseId"])
def test_user_and_item_are_found_by_the_words_of_many_services(user: str, item: str) -> None:
    ids = [f"v{i % 200}" for i in range(N)]
    roles = guessed(**{user: ids, item: ids[::-1]})
    assert roles.user is not None
    assert roles.item is not None
    assert names((roles.user, roles.item)) == [user, item]


@pytest.mark.parametrize("name", ["product_price", "jobSalary", "post_code"])
def test_a_price_and_a_post_code_are_no_item(name: str) -> None:
    assert guessed(**{name: [f"{i % 200},00 €" for i in range(N)]}).item is None


def test_the_user_is_found_beside_more_candidates_that_are_ranked() -> None:
    roles = guessed(user_id=[i % 100 for i in range(N)], candidate_id=[i % 300 for i in range(N)])
    assert roles.user is not None
    assert roles.user.name == "user_id"


@pytest.mark.parametrize(
    "name", ["churned", "is_default", "Fraud", "applied", "hire", "has_replied", "returned"]
)
def test_tasks_beyond_a_shop_are_labels_without_a_doubt(name: str) -> None:
    (task,) = guess_roles(facts(**{name: [0, 1] * 300, "flag": [0, 0, 1] * 200})).tasks
    assert (task.name, task.to_check) == (name, "")


@pytest.mark.parametrize("name", ["sex", "gender", "is_male"])
def test_the_sex_is_no_label_where_no_name_is_like_a_task(name: str) -> None:
    roles = guess_roles(
        facts(**{name: [0, 1] * 300, "flag": [0, 0, 1] * 200, "k": list("abc") * 200})
    )
    assert names(roles.tasks) == ["flag"]


def test_a_date_whose_name_says_nothing_is_the_time_with_a_doubt() -> None:
    time_guess = guessed(moment=CLOCK).time
    assert time_guess is not None
    assert time_guess.to_check == "is it the time of the row?"


@pytest.mark.parametrize(
    "values",
    [
        ["yes", "no"],
        ["N", "Y"],
        ["True", "False"],
        ["是", "否"],
        [True, None, False],
        [1, 0, None],
        [0.0, 1.0],
    ],
)
def test_two_values_that_mean_yes_and_no_are_a_label(values: list[object]) -> None:
    guesses = guess_roles(
        facts(
            scene=["a", "b", "c"] * (N // 3),
            is_order=(values * N)[:N],
            price=[i / 7 for i in range(N)],
        )
    )
    assert names(guesses.tasks) == ["is_order"]
    assert names(guesses.numeric) == ["price"]


def test_a_column_named_like_an_outcome_is_no_feature_without_a_doubt() -> None:
    (feature,) = guessed(click_rate=[i / 7 for i in range(N)]).numeric
    assert feature.to_check == "known before? else list it in never_features"


@pytest.mark.parametrize("name", ["item_id", "adId", "site_item_id", "user key", "商品 id"])
def test_ids_of_few_values_that_repeat_are_no_scenario_and_no_label(name: str) -> None:
    roles = guess_roles(
        facts(**{name: [0, 1] * (N // 2)}, bought=[1, 0, 0] * (N // 3), place=list("abc") * 200)
    )
    assert roles.scenario is not None
    assert roles.scenario.column.name == "place"
    assert names(roles.tasks) == ["bought"]
    assert name in names(roles.categorical)


def test_an_id_is_no_label_even_if_there_is_no_other() -> None:
    roles = guess_roles(facts(item_id=[0, 1] * (N // 2), place=list("abc") * (N // 3)))
    assert roles.tasks == ()


@pytest.mark.parametrize("name", ["channel_id", "ad_slot_id", "item_page_id"])
def test_an_id_of_a_place_may_be_the_scenario(name: str) -> None:
    roles = guess_roles(facts(**{name: [7, 8, 9] * (N // 3)}, bought=[1, 0] * (N // 2)))
    assert roles.scenario is not None
    assert roles.scenario.column.name == name


def test_a_scenario_of_one_value_is_taken_by_its_name_and_the_others_are_listed() -> None:
    scenario = guess_roles(
        facts(is_click=[0, 1] * 300, scene=["a"] * N, city=["x", "y", "z"] * 200)
    ).scenario
    assert scenario is not None
    assert (scenario.column.name, scenario.to_check) == ("scene", "or one of: city?")


VALUES: dict[str, tuple[list[object], str]] = {
    "few numbers": ([i % 7 for i in range(N)], "categorical"),
    "many numbers": ([i % 300 for i in range(N)], "numeric"),
    "few numbers with gaps": ([i % 7 or None for i in range(N)], "categorical"),
    "few whole floats": ([float(i % 7) for i in range(N)], "numeric"),
    "few whole floats with gaps": (
        [float(i % 7) if i % 5 else None for i in range(N)],
        "categorical",
    ),
    "many whole floats with gaps": (
        [float(i % 99) if i % 5 else None for i in range(N)],
        "numeric",
    ),
    "few halves with gaps": ([(i % 7) / 2 if i % 5 else None for i in range(N)], "numeric"),
    "few texts": ([f"w{i % 7}" for i in range(N)], "categorical"),
    "many texts": ([f"w{i % 400}" for i in range(N)], "left_out"),
    "fractions": ([i / 7 for i in range(N)], "numeric"),
    "decimals": ([Decimal(i) / 100 for i in range(N)], "numeric"),
    "a gap beside true and false": ([True, False, None] * 200, "categorical"),
    "bytes": ([b"x"] * N, "left_out"),
    "nothing": ([None] * N, "left_out"),
}


@pytest.mark.parametrize(("values", "kind"), VALUES.values(), ids=VALUES)
def test_a_column_without_a_known_name_is_classed_by_its_values(
    values: list[object], kind: str
) -> None:
    assert names(getattr(guessed(thing=pl.Series(values)), kind)) == ["thing"]


TEXTS: dict[str, tuple[str, list[str], str]] = {
    "many": ("age", [str(18 + i % 80) for i in range(N)], "numeric"),
    "blanks": ("age", [str(18 + i % 80) if i % 9 else "" for i in range(N)], "numeric"),
    "fractions": ("price", ["0.5", "1.25", "12"] * (N // 3), "numeric"),
    "distinct fractions": ("price", [f"{i / 7:.3f}" for i in range(N)], "numeric"),
    "few": ("level", [str(i % 7) for i in range(N)], "categorical"),
    "an id": ("level_id", [str(i % 300) for i in range(N)], "categorical"),
    "leading zeros": ("zip", [f"{i % 200:05d}" for i in range(N)], "categorical"),
    "a word": ("age", [str(18 + i % 80) if i % 99 else "old" for i in range(N)], "categorical"),
    "distinct": ("row", [str(i) for i in range(N)], "left_out"),
}


@pytest.mark.parametrize(("name", "values", "kind"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
def test_a_text_is_a_number_where_a_column_of_its_numbers_would_be_one(
    name: str, values: list[str], kind: str, dtype: pl.DataType
) -> None:
    guesses = guessed(**{name: pl.Series(values, dtype=dtype)})
    assert names(getattr(guesses, kind)) == [name]


def test_numbers_as_text_have_their_range_and_missing_values_as_the_reason() -> None:
    (age,) = guessed(age=[str(18 + i % 80) if i % 10 else " " for i in range(N)]).numeric
    assert age.reason == "19 to 97, as text, 10 % missing"


def test_moments_as_text_are_left_out_with_what_would_make_them_the_time() -> None:
    guesses = guessed(timestamp=[str(1_700_000_000 + i) for i in range(N)])
    assert guesses.time is None
    (left,) = guesses.left_out
    assert left.reason.startswith("a moment: as a number")


def test_an_outcome_as_text_is_an_outcome() -> None:
    assert names(guessed(dwell=[f"{i / 7:.2f}" for i in range(N)]).outcomes) == ["dwell"]


def test_0_and_1_as_text_beside_a_blank_is_no_label() -> None:
    assert names(guessed(is_like=["0", "1", ""] * (N // 3)).tasks) == ["is_click"]


def test_a_column_of_train_valid_and_test_is_the_split_and_no_feature() -> None:
    guesses = guessed(
        fold=["train", "train", "val", "test"] * (N // 4), price=[i / 7 for i in range(N)]
    )
    assert guesses.split is not None
    assert guesses.split.column.name == "fold"
    assert names(guesses.categorical) == []


@pytest.mark.parametrize(
    "values",
    [
        ["train", "valid", "test"],
        ["TRAIN", "Validation", "TEST"],
        ["Training", "dev", "holdout"],
        ["train", "val", "eval"],
    ],
)
def test_the_words_of_a_split_are_known_in_any_case_whatever_the_columns_name(
    values: list[str],
) -> None:
    guesses = guessed(kind=values * (N // 3))
    assert guesses.split is not None
    assert guesses.split.to_check == ""
    assert "kind" not in names(guesses.categorical)


def test_0_1_and_2_in_any_other_column_are_no_split() -> None:
    guesses = guessed(level=[0, 1, 2] * (N // 3))
    assert guesses.split is None
    assert names(guesses.categorical) == ["level"]


@pytest.mark.parametrize("column", ["sample", "channel"])
def test_a_split_without_rows_of_a_part_is_no_feature_no_label_and_no_scenario(column: str) -> None:
    roles = guess_roles(
        facts(
            is_click=[1, 0, 0] * (N // 3),
            page=["a", "b", "c", "d", "e", "f"] * (N // 6),
            **{column: ["train", "test"] * (N // 2)},
        )
    )
    assert roles.scenario is not None
    assert roles.scenario.column.name == "page"
    assert [(role.column.name, role.reason) for role in roles.left_out] == [
        (column, "a split without valid: with rows of every part it could split")
    ]


@pytest.mark.parametrize("values", [["train", "test"], [0, 1, 2, 3]])
def test_a_column_named_like_a_split_without_its_values_is_left_out(values: list[object]) -> None:
    assert names(
        guessed(fold=values * (N // len(values)), is_click=[1, 0, 0] * (N // 3)).left_out
    ) == ["fold"]


def test_a_column_named_like_a_split_and_an_outcome_is_listed_once() -> None:
    guesses = guessed(split_amount=[0.5, 1.5, 2.5] * (N // 3))
    assert names(guesses.left_out) == ["split_amount"]
    assert guesses.outcomes == ()
