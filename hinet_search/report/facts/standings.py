"""Standings: each arm's results on validation and test, gains of tuning, and worse cells.

The results of an arm are those of its chosen finalist. A positive gain is an improvement, whatever
the objective.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hinet_search.report.drawing import numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.results.cell_gains import (
    CellDifference,
    ReferenceGains,
    RelativeGains,
    against_reference,
    over_reference,
)
from hinet_search.results.finalist_values import (
    by_seed,
    cell_by_seed,
    cells_of,
    headline,
    headline_by_seed,
    measure,
    objective_by_seed,
    values_by,
)
from hinet_search.results.records import ArmRecord, FinalistRecord, FinalistSummary
from hinet_search.results.statistics.paired_difference import Summary, summary
from hinet_search.results.study_record import StudyRecord


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
    """Test of one arm: headline and row-weighted AUC over seeds, ensemble headline, worst cell."""

    headline: Summary | None
    weighted: Summary | None
    ensemble: float | None
    ensemble_gain: float | None
    worst: tuple[float, tuple[str, str]] | None


@dataclass(frozen=True)
class LeaderboardEntry:
    """One line of the leaderboard; `test` is None until the arm is evaluated on test."""

    arm: ArmRecord
    seeds: int
    valid: ResultsOnValidation
    test: ResultsOnTest | None
    reference: ReferenceGains | None
    relative: RelativeGains | None


def standings(record: StudyRecord) -> tuple[LeaderboardEntry, ...]:
    """Return every arm with a chosen finalist, best mean objective on validation first."""
    lines = [_entry(record, arm, finalist) for arm, finalist in record_facts.finalists(record)]
    return tuple(sorted(lines, key=lambda line: line.valid.objective.mean, reverse=record.maximize))


def losing_cells(entry: LeaderboardEntry) -> tuple[CellDifference, ...]:
    """Return cells below the reference on test while others are above it, largest loss first."""
    if entry.reference is None or not entry.reference.seesaw:
        return ()
    below = [
        (cell.difference.mean, cell)
        for cell in entry.reference.cells
        if cell.difference is not None
    ]
    return tuple(cell for mean, cell in sorted(below, key=lambda pair: pair[0]) if mean < 0)


def gain_in_words(cell: CellDifference) -> str:
    """Return a cell with its gain: `Home feed · click +.0043`."""
    gain = numbers.gain(cell.difference.mean if cell.difference else None)
    return f"{record_facts.cell_in_words(cell.scenario, cell.task)} {gain}"


def loses_everywhere(gains: ReferenceGains) -> bool:
    """Whether no cell gains and at least one loses, so that there is no seesaw."""
    means = [cell.difference.mean for cell in gains.cells if cell.difference is not None]
    return bool(means) and max(means) <= 0 and min(means) < 0


def _entry(record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord) -> LeaderboardEntry:
    opened = any(run.test_cells is not None for run in finalist.runs)
    return LeaderboardEntry(
        arm=arm,
        seeds=len(finalist.runs),
        valid=_validation(record, arm, finalist),
        test=_test(record, finalist) if opened else None,
        reference=against_reference(record, arm) if opened else None,
        relative=over_reference(record, arm) if opened else None,
    )


def _validation(
    record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord
) -> ResultsOnValidation:
    reached = summary(list(objective_by_seed(record, finalist, "valid").values()))
    assert reached is not None, "a chosen finalist has runs"
    untuned = next((finalist for finalist in arm.finalists if finalist.is_default), None)
    default = None
    if untuned is not None:
        default = summary(list(objective_by_seed(record, untuned, "valid").values()))
    all_seeds = _all_seeds(finalist)
    ensemble = None
    if all_seeds is not None:
        ensemble = values_by(record.objective)(all_seeds.ensemble_valid_cells)
    return ResultsOnValidation(
        objective=reached,
        headline=summary(list(headline_by_seed(record, finalist, "valid").values())),
        default=default,
        tuning=_added(record, reached.mean, default.mean if default else None),
        kept_default=finalist.is_default,
        ensemble=ensemble,
        ensemble_gain=_added(record, ensemble, reached.mean),
    )


def _test(record: StudyRecord, finalist: FinalistRecord) -> ResultsOnTest:
    reached = summary(list(headline_by_seed(record, finalist, "test").values()))
    headline_of = values_by(headline(record.objective))
    all_seeds = _all_seeds(finalist)
    ensemble = headline_of(all_seeds.ensemble_test_cells) if all_seeds else None
    return ResultsOnTest(
        headline=reached,
        weighted=summary(list(by_seed(finalist, "test", values_by("weighted_auc")).values())),
        ensemble=ensemble,
        ensemble_gain=_added(record, ensemble, reached.mean if reached else None),
        worst=worst_cell(record, finalist),
    )


def _all_seeds(finalist: FinalistRecord) -> FinalistSummary | None:
    """Return the summary over seeds, with the ensemble; None for one seed."""
    return finalist.summary if len(finalist.runs) > 1 else None


def worst_cell(
    record: StudyRecord, finalist: FinalistRecord
) -> tuple[float, tuple[str, str]] | None:
    """Return the worst mean over seeds of a cell on test, and the cell; None without any value."""
    means = [
        (summary(list(cell_by_seed(record, finalist, "test", cell).values())), cell)
        for cell in cells_of(record)
    ]
    pick = min if measure(record).maximize else max
    return pick(
        [(reached.mean, cell) for reached, cell in means if reached is not None], default=None
    )


def _added(record: StudyRecord, value: float | None, before: float | None) -> float | None:
    if value is None or before is None:
        return None
    return value - before if record.maximize else before - value


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
        return (
            f"is below {against} by more than the interval"
            if self.lacks
            else f"is worse than {against}"
        )

    @property
    def undecided(self) -> str:
        """Return the clause on the cells in `below`, for a sentence that finds no cell worse."""
        if not self.below:
            return ""
        lies = "one is" if self.below == 1 else f"{self.below} are"
        return f"; {lies} below, but not significantly"

    @property
    def caveat(self) -> str:
        """Return the closing remark that this is no claim, and why."""
        return f" (an observation, not a claim: {self.lacks})" if self.lacks else ""


def worse_cells(cells: Sequence[CellDifference]) -> WorseCells | None:
    """Return the losses among `cells`; None if no cell has a value."""
    known = [(cell.difference, cell) for cell in cells if cell.difference is not None]
    if not known:
        return None
    worse = sorted(
        (difference.mean, cell.scenario, cell.task)
        for difference, cell in known
        if difference.direction == "worse"
    )
    below = [difference for difference, _ in known if difference.mean < 0]
    # A cell too small to resample has no interval and lacks something of its own.
    with_interval = [difference.lacks for difference, _ in known if difference.low is not None]
    return WorseCells(
        tuple(
            f"{record_facts.cell_in_words(*cell)} {numbers.gain(mean)}." for mean, *cell in worse
        ),
        below=sum(difference.direction != "worse" for difference in below),
        lacks=with_interval[0] if with_interval else known[0][0].lacks,
    )
