"""A probe trains for about the seconds that it is given, and its memory has what grows with rows."""

from collections.abc import Iterator

import pytest
import torch

from hinet_search.models.layers.batch import Batch
from hinet_search.search.plan import probe
from hinet_search.training.feed import make_feed
from hinet_search.training.teaching import StepLoss
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import build_config
from tests.training.datasets import separable

DATA = separable(train_rows=40)


class Linear(torch.nn.Linear):
    """A model that counts its steps."""

    def __init__(self) -> None:
        super().__init__(1, DATA.full_schema.num_tasks)
        self.steps = 0

    def forward(self, batch: Batch) -> torch.Tensor:
        self.steps += 1
        return super().forward(torch.ones(len(batch), 1))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 4, 1, 1 ... seconds, in which nothing else is done."""
    times, now = ticks(), [0.0]

    def tick() -> float:
        now[0] = next(times)
        return now[0]

    monkeypatch.setattr(probe, "process_time", tick)
    monkeypatch.setattr(probe, "perf_counter", lambda: now[0])


def ticks() -> Iterator[float]:
    now, seconds = 0.0, 4.0
    while True:
        yield now
        now += seconds
        yield now
        seconds = 1.0


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("seconds", "steps"), [(0.0, 3), (5.5, 3), (20.0, 17), (1000.0, 100)])
def test_a_probe_ends_after_its_seconds_with_three_to_a_hundred_steps(
    seconds: float, steps: int
) -> None:
    model, feed = Linear(), make_feed(DATA.train, torch.device("cpu"))
    config = TrainConfig.model_validate({"batch_size": 32})
    seconds_per_row = probe._seconds_per_row(model, config, feed, StepLoss(), seconds)
    assert model.steps == steps
    assert seconds_per_row == 1.0 / 32, "the first step is slower, and does not count"


def test_what_other_work_takes_ends_a_probe_sooner_and_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times, now = ticks(), [0.0]

    def computed() -> float:
        now[0] += 5.0  # of which most are of others
        return next(times)

    monkeypatch.setattr(probe, "process_time", computed)
    monkeypatch.setattr(probe, "perf_counter", lambda: now[0])
    model, feed = Linear(), make_feed(DATA.train, torch.device("cpu"))
    config = TrainConfig.model_validate({"batch_size": 32})
    seconds_per_row = probe._seconds_per_row(model, config, feed, StepLoss(), 45.0)
    assert (model.steps, seconds_per_row) == (5, 1.0 / 32)


@pytest.mark.parametrize(("shuffle", "of_a_row"), [("rows", 8), ("blocks", 0), ("users", 68)])
def test_the_orders_of_two_passes_are_memory_of_a_training(
    monkeypatch: pytest.MonkeyPatch, shuffle: str, of_a_row: int
) -> None:
    monkeypatch.setattr(probe, "peak_memory_bytes", lambda _: 1_000)
    config = build_config("shared_bottom", {"train.shuffle": shuffle})
    model = config.build(DATA.full_schema)
    assert isinstance(model, torch.nn.Module)
    of_weights = sum(weight.nbytes for weight in model.state_dict().values())
    measured = probe.probe(config, DATA, torch.device("cpu"), seconds=0.0)
    assert measured.memory_bytes == 1_000 + of_weights + of_a_row * DATA.train.num_rows
