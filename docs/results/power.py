"""Power: write which true difference each comparison of a result file finds in 80 % of studies.

    python docs/results/power.py rivals_kuairand

simulates studies with the seeds' spreads and the users' errors that were measured, and writes
docs/results/data/rivals_kuairand_power.json: the difference that is found in 80 % of them alone, at
the level .05, and at the first level of Holm's procedure over all comparisons, .05 / their number,
which no other finding has eased. Shape legend: N seeds, S simulated studies.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from result_files import DIGITS, FOLDER, GainResult, PowerResult, ResultFile, read

from hinet_search.results.statistics.paired_difference import POWER
from hinet_search.results.statistics.resampling import RESAMPLINGS
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.statistics.welch import ArmValues, StandardErrors, estimate

USER_DEGREES = RESAMPLINGS - 1.0


@dataclass(frozen=True)
class Comparison:
    """A gain, and the values by seed of its two arms."""

    gain: GainResult
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    def smallest_found(self, levels: tuple[float, ...], studies: int, seed: int) -> list[float]:
        """Return the differences that 80 % of simulated studies find, one a level."""
        draw = np.random.default_rng(seed)
        drawn = [self.simulated(draw) for _ in range(studies)]
        smallest = []
        for level in levels:
            # A study finds a difference if that, with the study's noise, is beyond its reach.
            needed_S = [errors.reach(level) - noise for noise, errors in drawn]
            smallest.append(float(np.quantile(needed_S, POWER)))
        return smallest

    def simulated(self, draw: np.random.Generator) -> tuple[float, StandardErrors]:
        """Draw what a study adds to the true difference, and the errors that it measures."""
        ours_N, theirs_N = (self._seeds(values, draw) for values in (self.ours, self.theirs))
        of_seeds = estimate(ArmValues(tuple(ours_N)), ArmValues(tuple(theirs_N)))
        if of_seeds is None:
            raise SystemExit(f"{self.gain.against}: needs two seeds an arm")
        noise = of_seeds.mean + draw.normal(0, self.gain.user_error)
        share = (draw.chisquare(USER_DEGREES) / USER_DEGREES) ** 0.5
        user_error = self.gain.user_error * share
        errors = StandardErrors(of_seeds.seed_error, of_seeds.degrees, user_error, USER_DEGREES)
        return noise, errors

    @staticmethod
    def _seeds(values: tuple[float, ...], draw: np.random.Generator) -> NDArray[np.float64]:
        return draw.normal(0, np.std(values, ddof=1), len(values))


def comparisons(file: ResultFile) -> Iterator[Comparison]:
    """Yield the comparisons of the gains of a file."""
    values = {
        (study.name, arm.name): arm.test_headline for study in file.studies for arm in study.arms
    }
    for gain in file.gains:
        ours, theirs = (values[gain.study, arm] for arm in (gain.focus, gain.against))
        yield Comparison(gain, ours, theirs)


def powers(file: ResultFile, studies: int) -> ResultFile:
    """Return the powers of the gains of a file."""
    levels = (LEVEL, LEVEL / len(file.gains))
    results = []
    for seed, compared in enumerate(comparisons(file)):
        alone, first = compared.smallest_found(levels, studies, seed)
        gain = compared.gain
        results.append(
            PowerResult(
                focus=gain.focus,
                against=gain.against,
                alone=round(alone, DIGITS),
                first_of_all=round(first, DIGITS),
                low=gain.low,
                high=gain.high,
            )
        )
    return ResultFile(powers=tuple(results))


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a file of docs/results/data with gains")
    parser.add_argument("--studies", type=int, default=1000)
    options = parser.parse_args()
    path = FOLDER / f"{options.name}_power.json"
    path.write_text(powers(read(options.name), options.studies).text, encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
