"""Peers of the search: Syne Tune, SMAC and Ray Tune, replayed in environments of their own.

The environments are made by pip once and kept under .benchmarks/. A peer that does not install or
run has no traces but a reason.
"""

import argparse
import json
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from environments import make_environment, run
from replay.clock import Trace
from replay.recorded_tables import recorded_table
from replay.table import Table, write_table

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".benchmarks" / "search_peers"
RUN_SECONDS = 7_200


@dataclass(frozen=True)
class SearchPeer:
    """A library, what pip installs for it, and its strategies (`replay/with_*.py`)."""

    name: str
    requirements: tuple[str, ...]
    strategies: tuple[str, ...]


# These releases were tested together, so figures are reproducible.
NUMPY, PANDAS, SCIPY = "numpy==2.4.6", "pandas==3.1.1", "scipy==1.17.1"
PEERS = (
    SearchPeer(
        "syne tune",
        (
            "syne-tune==0.16.0",
            NUMPY,
            PANDAS,
            SCIPY,
            "scikit-learn==1.9.1",
            "statsmodels==0.15.0",
            "xgboost==3.2.0",
            "huggingface-hub==2.4.0",  # CQR imports it, and does not declare it
        ),
        (
            "syne tune random",
            "syne tune cqr",
            "syne tune asha",
            "syne tune bohb",
            "syne tune asha bore",
            "syne tune asha cqr",
        ),
    ),
    SearchPeer(
        "smac",
        # It does not import with later releases of scikit-learn.
        ("smac==2.4.0", "ConfigSpace==1.2.2", NUMPY, SCIPY, "scikit-learn==1.8.0"),
        ("smac", "smac, hyperband", "smac, retrained", "smac, hyperband, retrained"),
    ),
)


@dataclass(frozen=True)
class Replayed:
    """The traces of a strategy, one per seed; none where there is a `failure`."""

    strategy: str
    traces: tuple[Trace, ...] = ()
    failure: str = ""


def replay_peers(
    table: Table,
    slots: int,
    seconds: float,
    repeats: int,
    strategies: Container[str] | None = None,
) -> Iterator[Replayed]:
    """Replay all strategies of all peers on a table, or some."""
    for peer in PEERS:
        for strategy in peer.strategies:
            if strategies is not None and strategy not in strategies:
                continue
            yield replay_peer(peer, strategy, table, slots, seconds, repeats)


def replay_peer(
    peer: SearchPeer, strategy: str, table: Table, slots: int, seconds: float, repeats: int
) -> Replayed:
    """Replay a strategy in its peer's environment."""
    environment = make_environment(CACHE / peer.name.replace(" ", "_"), peer.requirements)
    if environment.failure:
        return Replayed(strategy, failure=environment.failure)
    path = CACHE / f"{table.name}.json"
    write_table(table, path)
    command = [str(environment.python), "-m", "replay.run_peer", str(path), strategy]
    command += ["--slots", str(slots), "--seconds", str(seconds), "--repeats", str(repeats)]
    output, failure = run(command, RUN_SECONDS, HERE)
    traces = tuple(
        Trace(**json.loads(line)) for line in output.splitlines() if line.startswith('{"seconds"')
    )
    if failure or len(traces) < repeats:
        return Replayed(strategy, failure=failure or f"it printed {len(traces)} traces")
    return Replayed(strategy, traces)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", help="of the recorded trainings, such as kuairand_statistics")
    parser.add_argument("arm")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="on the simulated clock")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    table = recorded_table(options.task, options.arm)
    for replayed in replay_peers(table, options.slots, options.seconds, options.repeats):
        print(_line(replayed, options.seconds), flush=True)


def _line(replayed: Replayed, seconds: float) -> str:
    if replayed.failure:
        return f"{replayed.strategy}: {replayed.failure}"
    truth = mean(trace.at(seconds) for trace in replayed.traces)
    trials = mean(trace.trials for trace in replayed.traces)
    return f"{replayed.strategy}: {truth:.4f} after {trials:.1f} trials"


if __name__ == "__main__":
    main()
