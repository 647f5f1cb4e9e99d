"""Claims: a quick form of the simulation of docs/results/claims.md: false claims are rare, and incomplete studies make none."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from scipy.stats import binom

SCRIPT = Path(__file__).parents[2] / "docs" / "results" / "claims.py"
STUDIES = 60
ALLOWED = 0.05  # of studies: the nominal error


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("claims_of_made_up_studies", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CLAIMS = loaded()


WORLDS = {
    "small users' errors": CLAIMS.World(users=0.0003),
    "large users' errors": CLAIMS.World(users=0.0017),
    "unequal spreads": CLAIMS.World(users=0.0003, spreads=CLAIMS.UNEQUAL["from .0005 to .0029"]),
    "focus chosen among all": CLAIMS.World(users=0.0003, names=CLAIMS.OTHERS),
}


def at_most(studies: int) -> int:
    """Return the one-sided 95 % bound: a rate of ALLOWED gives more wrong claims in at most one of 20 runs.

    For 60 studies it is 6 (more has a chance of .030), for 240 it is 18 (.034).
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
    world = CLAIMS.World(gains=CLAIMS.apart(0.02), **changes)
    question = CLAIMS.Question("", world, getattr(CLAIMS, happened))
    assert CLAIMS.share(question, 10)[0] == 0


def test_a_difference_that_is_large_is_found() -> None:
    world = CLAIMS.World(users=0.0005, gains=CLAIMS.apart(0.01))
    assert CLAIMS.share(CLAIMS.Question("", world, CLAIMS.win), 20)[0] > 0.9


def test_a_cheaper_arm_that_loses_the_margin_is_rarely_taken_and_an_equal_one_often() -> None:
    costly = CLAIMS.Question(
        "",
        CLAIMS.World(users=0.0003, spreads=(0.0005,) * 9, gains=CLAIMS.BEHIND),
        CLAIMS.costly_choice,
    )
    assert CLAIMS.share(costly, STUDIES)[0] * STUDIES <= at_most(STUDIES)
    assert CLAIMS.share(CLAIMS.Question("", CLAIMS.CALM, CLAIMS.cheaper_choice), 20)[0] > 0.5
