"""Cost by number of scenarios: a training step of HiNet in all its forms, by turns."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any

import torch

from bench_training import TRAINING, our_training
from contestants import HINET, SEED, hinet_config
from hinet_search.models import hinet
from hinet_search.models.layers.san import SANConfig
from hinet_search.training.feed import make_feed
from hinet_search.training.seeding import seeded_model
from layout import aligned
from work import make_dataset

TOP_K = 3
FORMS: dict[str, dict[str, Any]] = {
    "exact": {},
    f"top-{TOP_K}": {"top_k": TOP_K, "warmup_epochs": 1},
}


@dataclass(frozen=True)
class ScenariosFigure:
    """Median milliseconds of a step of one form, and its ratio to the fewest scenarios."""

    form: str
    num_scenarios: int
    milliseconds: float
    times_the_first: float


def bench_scenarios(
    numbers: tuple[int, ...], *, num_rows: int, rounds: int
) -> list[ScenariosFigure]:
    """Every form at every number of scenarios; one step a round after one step of warming up."""
    trainings = {
        (form, number): _training(form, number, num_rows)
        for number, form in product(numbers, FORMS)
    }
    took: dict[tuple[str, int], list[float]] = {key: [] for key in trainings}
    for turn in range(rounds + 1):
        for key, training in trainings.items():
            began = time.perf_counter()
            next(training)
            if turn:
                took[key].append(1000 * (time.perf_counter() - began))
    first = numbers[0]
    return [
        ScenariosFigure(
            form=form,
            num_scenarios=number,
            milliseconds=median(took[form, number]),
            times_the_first=median(
                seconds / other
                for seconds, other in zip(took[form, number], took[form, first], strict=True)
            ),
        )
        for form, number in product(FORMS, numbers)
    ]


def _training(form: str, num_scenarios: int, num_rows: int) -> Iterator[int]:
    """The steps of a model whose SAN has made its choice."""
    dataset = make_dataset(num_rows, num_scenarios=num_scenarios)
    san = SANConfig.model_validate({"embedding_dim": HINET.san_embedding, **FORMS[form]})
    model = seeded_model(lambda: hinet.Model(hinet_config(san), dataset.full_schema), SEED)
    model.begin_epoch(san.warmup_epochs)
    feed = make_feed(dataset.train, torch.device("cpu"))
    return our_training(model, feed, TRAINING)


def table(figures: Sequence[ScenariosFigure]) -> str:
    """The figures as text: a line per form, a column per number of scenarios."""
    numbers = list(dict.fromkeys(figure.num_scenarios for figure in figures))
    lines = [("ms a step (times the first)", *(f"M = {number}" for number in numbers))]
    for form in dict.fromkeys(figure.form for figure in figures):
        of_form = [figure for figure in figures if figure.form == form]
        lines.append(
            (
                form,
                *(
                    f"{figure.milliseconds:,.0f} ({figure.times_the_first:.2f})"
                    for figure in of_form
                ),
            )
        )
    return aligned(lines)
