"""Claims: a quick form of the simulation of docs/results/claims.md: false claims are rare, and incomplete studies make none."""

import importlib
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import binom

from hinet_search.results.finalist_values import largest_selection_bias, selection_bias

SCRIPTS = Path(__file__).parents[2] / "docs" / "results"
STUDIES = 60
ALLOWED = 0.05  # of studies: the nominal error


def loaded(name: str) -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


CLAIMS, VERDICT, USERS = map(loaded, ("claims", "claims_of_verdict", "claims_of_users"))
ROWS = loaded("claims_rows")


WORLDS = {
    "small users' errors": CLAIMS.World(users=0.0003),
    "large users' errors": CLAIMS.World(users=0.0017),
    "unequal spreads": CLAIMS.World(users=0.0003, spreads=VERDICT.UNEQUAL["from 0.0005 to 0.0029"]),
    "focus chosen among all": CLAIMS.World(users=0.0003, names=VERDICT.OTHERS),
    "a calm arm and eleven loud ones": VERDICT.loud_others(12),
    "two arms of eight finalists": VERDICT.loud_others(2, finalists=8, likeness=0.95),
}


def at_most(studies: int) -> int:
    """Return the one-sided 95 % bound: a rate of ALLOWED gives more wrong claims in at most one of 20 runs.

    For 60 studies it is 6 (more has a chance of 0.030), for 240 it is 18 (0.034).
    """
    return int(binom.ppf(0.95, studies, ALLOWED))


@cache
def false_claims(words: str) -> int:
    """Count the studies with a false claim; each world has its own seed, so that the counts add up."""
    question, seed = (
        CLAIMS.Question(words, WORLDS[words], CLAIMS.false_claim),
        list(WORLDS).index(words),
    )
    return round(CLAIMS.share(question, STUDIES, seed)[0] * STUDIES)


@pytest.mark.parametrize("words", WORLDS)
def test_a_false_claim_is_rare_where_all_arms_are_equal(words: str) -> None:
    assert false_claims(words) <= at_most(STUDIES)


def test_false_claims_of_all_worlds_together_keep_the_nominal_error() -> None:
    assert sum(map(false_claims, WORLDS)) <= at_most(len(WORLDS) * STUDIES)


@pytest.mark.parametrize(
    ("changes", "happened"),
    [
        ({"shared_batches": True, "order": 0.0011}, "claim"),
        ({"without_users": True}, "claim"),
        ({"opened": 2}, "claim_of_second"),
    ],
    ids=["one order of rows", "no users", "two of five seeds"],
)
def test_nothing_is_claimed_where_something_is_lacking_however_far_arms_are_apart(
    changes: dict[str, object], happened: str
) -> None:
    world = CLAIMS.World(gains=VERDICT.apart(0.02), **changes)
    question = CLAIMS.Question("", world, getattr(CLAIMS, happened))
    assert CLAIMS.share(question, 10)[0] == 0


def test_a_difference_that_is_large_is_found() -> None:
    world = CLAIMS.World(users=0.0005, gains=VERDICT.apart(0.01))
    assert CLAIMS.share(CLAIMS.Question("", world, CLAIMS.win), 20)[0] > 0.9


def test_a_cheaper_arm_that_loses_the_margin_is_rarely_taken_and_an_equal_one_often() -> None:
    costly = CLAIMS.Question(
        "",
        CLAIMS.World(users=0.0003, spreads=(0.0005,) * 9, gains=VERDICT.BEHIND),
        CLAIMS.costly_choice,
    )
    assert CLAIMS.share(costly, STUDIES)[0] * STUDIES <= at_most(STUDIES)
    assert CLAIMS.share(CLAIMS.Question("", VERDICT.CALM, CLAIMS.cheaper_choice), 20)[0] > 0.5


USERS_OF_STUDIES = {
    "20 users": USERS.Users(20),
    "20 unlike users": USERS.Users(20, heavy=True),
    "50 users with lognormal amounts": USERS.Users(50, amount=1.5, headline="rmse[all/task]"),
}


@pytest.mark.parametrize("words", USERS_OF_STUDIES)
def test_a_false_claim_is_rare_where_users_are_few(words: str) -> None:
    question = USERS.UserQuestion(words, USERS_OF_STUDIES[words])
    seed = list(USERS_OF_STUDIES).index(words)
    assert CLAIMS.share(question, STUDIES, seed)[0] * STUDIES <= at_most(STUDIES)


def test_a_large_difference_is_found_with_200_users() -> None:
    users = USERS.Users(200, gain=1.0, known=1.5)
    assert CLAIMS.share(USERS.UserQuestion("", users), 10)[0] > 0.9


def test_a_made_up_study_keeps_every_finalist_that_validation_chose_among() -> None:
    record = CLAIMS.World(finalists=8).study(np.random.default_rng(0))
    assert {selection_bias(arm) for arm in record.arms} == {largest_selection_bias(8)}


def test_data_init_doubts_what_it_takes_for_something_else() -> None:
    ((_, questions),) = loaded("claims_of_tables").asked().items()
    for question in questions:
        if question.limit is not None:
            assert CLAIMS.share(question, 12)[0] <= question.limit


def test_what_a_search_found_may_differ_where_its_arms_are_equal() -> None:
    world = CLAIMS.World(users=0.0003, spreads=(0.0005,) * 9, configurations=0.001)
    assert CLAIMS.share(CLAIMS.Question("", world, CLAIMS.claim), 20)[0] > 0.5
    assert CLAIMS.share(CLAIMS.Question("", world, CLAIMS.false_claim), 20)[0] <= 0.05


def test_the_page_has_the_tables_of_the_file_with_every_rate_above_its_limit() -> None:
    page, tables = ROWS.PAGE.read_text(encoding="utf-8"), ROWS.read()
    assert ROWS.written(page, tables) == page, "run python docs/results/claims_rows.py"
    above = [
        row
        for table in tables
        for row in table.rows
        if row.allowed is not None and row.share > row.allowed
    ]
    assert above
    assert all(f"{row.words} | {row.share:.3f}" in page for row in above)
