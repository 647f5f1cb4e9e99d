"""The short form of `make fuzz`: a fifth of every corpus, of tables a tenth, and a few inputs from a fixed seed."""

import time

import pytest

from tests.fuzz.explore import TARGETS, Figures, Round, load
from tests.fuzz.worker import Workers

OF_TABLES = ("csv", "parquet")  # every input is described, drafted, checked and encoded
SEEDS = [
    pytest.param(target, name, id=f"{target}: {name}")
    for target in TARGETS
    for name in list(load(target).SEEDS)[:: 10 if target in OF_TABLES else 5]
]
SECONDS, INPUTS = 60.0, 5


@pytest.mark.parametrize(("target", "seed"), SEEDS)
def test_an_input_of_the_corpus_is_taken_or_refused_in_words(
    workers: Workers, target: str, seed: str
) -> None:
    outcome = workers.run(target, load(target).SEEDS[seed])
    assert not outcome.is_fault, f"{outcome.signature}\n{outcome.detail}"


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_from_a_fixed_seed_are_taken_or_refused_in_words(
    workers: Workers, target: str
) -> None:
    figures = Figures(target)
    Round(target, workers, figures, time.monotonic() + SECONDS, lambda _: None).run(
        load(target).inputs(), 1, INPUTS
    )
    assert not figures.faults
    assert figures.inputs > INPUTS // 2
