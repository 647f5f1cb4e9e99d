"""Rows a second of one training by one process and by two (`workers: 2`), in turns.

    python benchmarks/workers.py [--rows 400000] [--rounds 3] [--models mmoe] [--batches 8192]

Every process has one thread and the memory settings of a slot; tables are updated where rows touch
them (lazy_adam). The last figure is what two processes reach together that share nothing: cores
have one memory. Printed are medians over rounds and ratios; two cores must do nothing else.
"""

import argparse
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median

import torch

from hinet_search.executors.processes.environment import environment
from hinet_search.executors.processes.slots import SLOT_ENVIRONMENT
from hinet_search.results.objectives import objective_named
from hinet_search.study.distributions import Value
from hinet_search.training.fit import fit
from hinet_search.training.jobs.partners import team_of
from hinet_search.training.run_state import Conditions, FixedSteps
from hinet_search.training.seeding import seeded_model
from hinet_search.training.team import Next, Team
from hinet_search.training.trial_config import build_config
from in_processes import run
from work import make_dataset

MODELS = ("shared_bottom", "mmoe", "hinet")
BATCHES = (2048, 8192)
STEPS_OF_ROWS = 400_000  # a training has as many steps as take so many rows
CPU = torch.device("cpu")


class Quiet:
    """Follows a training and does nothing."""

    def on_evaluation(self, record: object) -> None:
        """Take no notice."""

    def should_stop(self) -> bool:
        return False


def rate(model: str, batch: int, num_rows: int, team: Team | None) -> float:
    """Return the rows that training steps take a second."""
    torch.set_num_threads(1)
    dataset = make_dataset(num_rows)
    settings: dict[str, Value] = {
        "train.batch_size": batch,
        "train.embedding_optimiser": "lazy_adam",
    }
    config = build_config(model, settings)
    schema = config.features.schema_of(dataset)
    steps = FixedSteps(STEPS_OF_ROWS // batch, STEPS_OF_ROWS // batch)
    conditions = Conditions(
        dataset,
        schema,
        config.train,
        0,
        0,
        objective_named("macro_auc"),
        CPU,
        fixed_steps=steps,
        team=team,
    )
    built = seeded_model(lambda: config.build(schema), 0)
    assert isinstance(built, torch.nn.Module), "a network"
    if team:
        team.agree(Next.STEP)  # both have read their rows
    return fit(built, conditions, Quiet()).rows_per_second


def rate_of_two(model: str, batch: int, num_rows: int) -> float:
    """Return the same of two processes, of which each takes half of every batch."""
    import workers  # a partner finds the function under this name, not in __main__

    work = partial(workers.rate, model, batch, num_rows)
    with team_of(2, CPU, work, print) as team:
        return work(team)


def main() -> None:
    """Print a line for every model and batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    given = parser.parse_args()
    partners_find_this = {"PYTHONPATH": str(Path(__file__).parent)}
    with environment({**SLOT_ENVIRONMENT, **partners_find_this}):
        for model, batch in product(given.models, given.batches):
            compare(model, batch, given.rows, given.rounds)


def compare(model: str, batch: int, num_rows: int, rounds: int) -> None:
    """Print a line, with every training in a process of its own."""
    rates = [rates_of(model, batch, num_rows) for _ in range(rounds)]
    one, two, apart = (median(each) for each in zip(*rates, strict=True))
    print(
        f"{model}, batches of {batch:,}: {one:,.0f} rows/s by one process, "
        f"{two:,.0f} by two ({two / one:.2f} times), "
        f"{apart:,.0f} by two that share nothing ({apart / one:.2f} times)",
        flush=True,
    )


def rates_of(model: str, batch: int, num_rows: int) -> tuple[float, float, float]:
    """Return the rows a second of one process, of two, and of two that share nothing."""
    alone = (rate, model, batch, num_rows, None)
    (one,) = run(alone)[1]
    (two,) = run((rate_of_two, model, batch, num_rows))[1]
    return one, two, sum(run(alone, alone)[1])


if __name__ == "__main__":
    main()
