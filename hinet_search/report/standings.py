"""Standings: each arm's results on validation and test, gains of tuning, and worse cells.

An arm has the results of its chosen finalist. A positive gain is an improvement, whatever
the objective.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hinet_search.report import numbers, record_facts
from hinet_search.results.cell_gains import CellDifference, ReferenceGains, against_reference
from hinet_search.results.cells import CellName
from hinet_search.results.finalist_values import (
    by_seed,
    cell_by_seed,
    cells_of,
    headline,
    headline_by_seed,
    mean_of,
    measure,
    objective_by_seed,
    values_by,
)
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.statistics.paired_difference import Summary, summary
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict

MOST_CELLS = 3  # cells that a sentence names


@dataclass(frozen=True)
class ResultsOnValidation:
    """Validation of one arm: selection objective, headline, and the gains of tuning and ensembling.

    `default` is None if the default configuration was not retrained. `tuning` is the gain of the
    chosen finalist over it, 0 if the default was chosen. `ensemble` is the objective of the mean
    probability of all seeds, `ensemble_gain` its gain over the mean of the seeds.
    """

    objective: Summary
    headline: Summary | None
    default: Summary | None
    tuning: float | None
    kept_default: bool
    ensemble: float | None
    ensemble_gain: float | None


@dataclass(frozen=True)
class ResultsOnTest:
    """Test of one arm: row-weighted AUC over seeds, headline of its ensemble, worst cell."""

    weighted: Summary | None
    ensemble: float | None
    ensemble_gain: float | None
    worst: tuple[float, CellName] | None


@dataclass(frozen=True)
class LeaderboardEntry:
    """One line of the leaderboard; what is of test is None until the arm is evaluated on test."""

    arm: ArmRecord
    valid: ResultsOnValidation
    test: ResultsOnTest | None = None
    reference: ReferenceGains | None = None


def standings(record: StudyRecord) -> tuple[LeaderboardEntry, ...]:
    """Return every arm with a chosen finalist, best mean objective on validation first."""
    lines = []
    valid = on_validation(record)
    for arm, finalist in record_facts.finalists(record):
        entry = LeaderboardEntry(arm, valid[arm.name])
        if finalist.is_opened:
            test = _on_test(record, finalist)
            reference = against_reference(record, arm)
            entry = replace(entry, test=test, reference=reference)
        lines.append(entry)
    return tuple(sorted(lines, key=lambda line: line.valid.objective.mean, reverse=record.maximize))


def on_validation(record: StudyRecord) -> dict[str, ResultsOnValidation]:
    """Return the results on validation of every arm with a chosen finalist."""
    results = {}
    for arm, finalist in record_facts.finalists(record):
        reached = summary(objective_by_seed(record, finalist, "valid").values())
        assert reached is not None, "a chosen finalist has runs"
        default = summary(objective_by_seed(record, arm.default, "valid").values())
        ensemble = None
        if finalist.summary is not None and len(finalist.runs) > 1:
            ensemble = values_by(record.objective)(finalist.summary.ensemble_valid_cells)
        results[arm.name] = ResultsOnValidation(
            objective=reached,
            headline=summary(headline_by_seed(record, finalist, "valid").values()),
            default=default,
            tuning=_added(record, reached.mean, default),
            kept_default=finalist.is_default,
            ensemble=ensemble,
            ensemble_gain=_added(record, ensemble, reached),
        )
    return results


def gain_in_words(cell: CellDifference) -> str:
    """Return a cell with its gain: `Home feed · click +0.0043`."""
    gain = numbers.gain(cell.mean)
    return f"{record_facts.cell_in_words(cell.name)} {gain}"


def worse_than_rival(outcome: Verdict) -> list[CellDifference]:
    """Return cells in which the focus is significantly worse than its rival, worst first."""
    worse = [
        cell
        for cell in outcome.cells
        if cell.difference is not None and cell.difference.mark == "worse"
    ]
    return sorted(worse, key=lambda cell: cell.mean or 0.0)


def loses_everywhere(gains: ReferenceGains) -> bool:
    """Whether no cell gains and at least one loses, so that there is no seesaw."""
    means = [cell.mean for cell in gains.cells if cell.mean is not None]
    return bool(means) and max(means) <= 0 and min(means) < 0


def _on_test(record: StudyRecord, finalist: FinalistRecord) -> ResultsOnTest:
    reached = summary(headline_by_seed(record, finalist, "test").values())
    ensemble = None
    if finalist.summary is not None and len(finalist.runs) > 1:
        headline_of = values_by(headline(record.objective))
        ensemble = headline_of(finalist.summary.ensemble_test_cells)
    means = []
    for cell in cells_of(record):
        value = mean_of(cell_by_seed(record, finalist, "test", cell).values())
        if value is not None:
            means.append((value, cell))
    pick = min if measure(record).maximize else max
    return ResultsOnTest(
        weighted=summary(by_seed(finalist, "test", values_by("weighted_auc")).values()),
        ensemble=ensemble,
        ensemble_gain=_added(record, ensemble, reached),
        worst=pick(means, default=None),
    )


def _added(record: StudyRecord, value: float | None, before: Summary | None) -> float | None:
    if value is None or before is None:
        return None
    return record.sign * (value - before.mean)


@dataclass(frozen=True)
class WorseCells:
    """`worse` names the significantly worse cells, largest loss first; `below` counts other losses.

    With something lacking (`lacks`) they are an observation, and the sentences say so.
    """

    worse: tuple[str, ...]
    below: int
    lacks: str

    def verb(self, against: str) -> str:
        """Return the verb phrase for the cells in `worse`."""
        if self.lacks:
            return f"is below {against} by more than the interval"
        return f"is worse than {against}"

    @property
    def undecided(self) -> str:
        """Return the clause on the cells in `below`, for a sentence that finds no cell worse."""
        if not self.below:
            return ""
        lies = numbers.agree(self.below, "one is", f"{self.below} are")
        return f"; {lies} below, but not significantly"

    @property
    def caveat(self) -> str:
        """Return the closing remark that this is no claim, and why."""
        return f" (an observation, not a claim: {self.lacks})" if self.lacks else ""


def worse_cells(cells: Sequence[CellDifference]) -> WorseCells | None:
    """Return the losses among `cells`; None if no cell has a value."""
    worse = []
    below = 0
    lacks: list[str] = []
    # A cell too small to resample has no interval and lacks something of its own.
    lacks_of_others: list[str] = []
    for cell in cells:
        difference = cell.difference
        if difference is None:
            continue
        if difference.direction == "worse":
            worse.append((difference.mean, cell.name))
        elif difference.mean < 0:
            below += 1
        if difference.low is None:
            lacks_of_others.append(difference.lacks)
        else:
            lacks.append(difference.lacks)
    if not lacks and not lacks_of_others:
        return None
    named = [
        f"{record_facts.cell_in_words(name)} {numbers.gain(mean)}." for mean, name in sorted(worse)
    ]
    return WorseCells(tuple(named), below, [*lacks, *lacks_of_others][0])
