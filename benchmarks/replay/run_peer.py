"""Replay a strategy of another search library on a table; print a JSON line per repeat.

Runs in the environment of that library: python -m replay.run_peer TABLE.json "syne tune asha".
"""

import argparse
import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from replay.clock import simulate
from replay.strategy import MakeStrategy
from replay.table import read_table

LIBRARIES = ("syne tune", "smac")


def strategy(name: str) -> MakeStrategy:
    """Return a strategy by its name, which starts with that of its library."""
    library = next(each for each in LIBRARIES if name.startswith(each))
    known = import_module(f"replay.with_{library.replace(' ', '_')}").STRATEGIES
    make: MakeStrategy = known[name]
    return make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("strategy")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--seconds", type=float, required=True, help="on the simulated clock")
    parser.add_argument("--repeats", type=int, default=1, help="seeds from 0 on")
    options = parser.parse_args()
    table, make = read_table(options.table), strategy(options.strategy)
    for seed in range(options.repeats):
        trace = simulate(table, make(table, seed), options.slots, options.seconds)
        print(json.dumps(asdict(trace)), flush=True)


if __name__ == "__main__":
    main()
