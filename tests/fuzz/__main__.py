"""The long form: `make fuzz` gives every target its share of ten minutes and prints what was tried and found.

--only NAME takes one target, --seed N other inputs, --again FILE runs one kept input. A minute in
CI is `make fuzz-quick`: --seconds 60 --without-corpus.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.fuzz.explore import TARGETS, Figures, explore, kept, load
from tests.fuzz.worker import Workers


def main() -> int:
    """Run what the command line says; 1 where a fault was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="of all targets together")
    parser.add_argument(
        "--only", choices=TARGETS, action="append", help="a target; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-corpus", action="store_true", help="new inputs alone")
    parser.add_argument("--again", type=Path, metavar="FILE")
    given = parser.parse_args()
    if given.again is not None:
        return _again(given.again)
    targets = given.only or TARGETS
    with Workers() as workers:
        began, figures = time.monotonic(), []
        for number, target in enumerate(targets):
            left = given.seconds - (time.monotonic() - began)
            share = max(left, 0.0) / (len(targets) - number)
            _say(f"{target} for {share:.0f} s")
            corpus = {} if given.without_corpus else load(target).SEEDS
            figures.append(explore(target, workers, corpus, share, given.seed, _say))
    _say("\n".join(table(figures)))
    return int(any(target.faults for target in figures))


def _again(path: Path) -> int:
    target, given = kept(path)
    with Workers() as workers:
        outcome = workers.run(target, given)
    _say(f"{target}: {outcome.what} {outcome.signature}\n{outcome.detail}")
    return int(outcome.is_fault)


def table(figures: list[Figures]) -> list[str]:
    """A line for every target, and one for every fault."""
    lines = [
        f"{'target':<10}{'inputs':>8}{'seconds':>9}{'slowest':>9}{'memory':>9}{'faults':>8}  outcomes"
    ]
    for target in figures:
        ends = ", ".join(f"{count} {what}" for what, count in target.outcomes.most_common(6))
        lines.append(
            f"{target.target:<10}{target.inputs:>8,}{target.seconds:>9.0f}{target.slowest:>7.1f} s{target.megabytes:>6} MB{len(target.faults):>8}  {ends}"
        )
    inputs, seconds = (
        sum(target.inputs for target in figures),
        sum(target.seconds for target in figures),
    )
    lines.append(
        f"{'all':<10}{inputs:>8,}{seconds:>9.0f}{'':>18}{sum(len(target.faults) for target in figures):>8}"
    )
    return [
        *lines,
        *(
            f"  {target.target}: {fault}: {path}"
            for target in figures
            for fault, path in target.faults.items()
        ),
    ]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
