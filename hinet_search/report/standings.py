"""Standings: what every arm reached on validation and on test, and what tuning and ensembles added.

An arm stands for its chosen finalist. Added values are signed so that larger is better, whatever the objective.
"""

from dataclasses import dataclass

from hinet_search.compare import (
    CellDifference,
    ReferenceGains,
    Summary,
    against_reference,
    by_seed,
    cell_by_seed,
    cells_of,
    headline,
    headline_by_seed,
    measure,
    objective_by_seed,
    summary,
    values_by,
)
from hinet_search.records import ArmRecord, FinalistRecord, FinalistSummary, StudyRecord
from hinet_search.report import reading


@dataclass(frozen=True)
class OnValidation:
    """Validation of one arm: the objective that selects, the headline, and what tuning and an ensemble added.

    `default` is None where the default configuration was not retrained; `tuning` is the chosen finalist minus it, 0
    where the default was kept. `ensemble` is the objective of the mean probability of all seeds, `together`
    that minus the mean of the seeds.
    """

    objective: Summary
    headline: Summary | None
    default: Summary | None
    tuning: float | None
    kept_default: bool
    ensemble: float | None
    together: float | None


@dataclass(frozen=True)
class OnTest:
    """Test of one arm: headline and row-weighted AUC over seeds, the headline of the ensemble, and the worst cell."""

    headline: Summary | None
    weighted: Summary | None
    ensemble: float | None
    together: float | None
    worst: tuple[float, tuple[str, str]] | None


@dataclass(frozen=True)
class Standing:
    """One line of the leaderboard; `test` is None until the arm is opened on test."""

    arm: ArmRecord
    seeds: int
    valid: OnValidation
    test: OnTest | None
    reference: ReferenceGains | None


def standings(record: StudyRecord) -> tuple[Standing, ...]:
    """Every arm with a chosen finalist, best mean objective on validation first."""
    found = [_standing(record, arm, finalist) for arm, finalist in reading.finalists(record)]
    return tuple(sorted(found, key=lambda one: one.valid.objective.mean, reverse=record.maximize))


def losing_cells(standing: Standing) -> tuple[CellDifference, ...]:
    """Cells below the reference arm on test while another cell is above it, the deepest first."""
    if standing.reference is None or not standing.reference.seesaw:
        return ()
    below = [(cell.difference.mean, cell) for cell in standing.reference.cells if cell.difference is not None]
    return tuple(cell for mean, cell in sorted(below, key=lambda pair: pair[0]) if mean < 0)


def loses_everywhere(gains: ReferenceGains) -> bool:
    """Whether no cell gains and at least one loses: nothing to see-saw."""
    means = [cell.difference.mean for cell in gains.cells if cell.difference is not None]
    return bool(means) and max(means) <= 0 and min(means) < 0


def _standing(record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord) -> Standing:
    opened = any(run.test_cells is not None for run in finalist.runs)
    return Standing(
        arm=arm,
        seeds=len(finalist.runs),
        valid=_validation(record, arm, finalist),
        test=_test(record, finalist) if opened else None,
        reference=against_reference(record, arm) if opened else None,
    )


def _validation(record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord) -> OnValidation:
    reached = summary(list(objective_by_seed(record, finalist, "valid").values()))
    assert reached is not None, "a chosen finalist has runs"
    untuned = next((one for one in arm.finalists if one.is_default), None)
    default = summary(list(objective_by_seed(record, untuned, "valid").values())) if untuned else None
    ensemble = values_by(record.objective)(together.ensemble_valid_cells) if (together := _together(finalist)) else None
    return OnValidation(
        objective=reached,
        headline=summary(list(headline_by_seed(record, finalist, "valid").values())),
        default=default,
        tuning=_added(record, reached.mean, default.mean if default else None),
        kept_default=finalist.is_default,
        ensemble=ensemble,
        together=_added(record, ensemble, reached.mean),
    )


def _test(record: StudyRecord, finalist: FinalistRecord) -> OnTest:
    reached = summary(list(headline_by_seed(record, finalist, "test").values()))
    of_headline, together = values_by(headline(record.objective)), _together(finalist)
    ensemble = of_headline(together.ensemble_test_cells) if together else None
    return OnTest(
        headline=reached,
        weighted=summary(list(by_seed(finalist, "test", values_by("weighted_auc")).values())),
        ensemble=ensemble,
        together=_added(record, ensemble, reached.mean if reached else None),
        worst=_worst(record, finalist),
    )


def _together(finalist: FinalistRecord) -> FinalistSummary | None:
    """What its seeds say together; one seed is no ensemble."""
    return finalist.summary if len(finalist.runs) > 1 else None


def _worst(record: StudyRecord, finalist: FinalistRecord) -> tuple[float, tuple[str, str]] | None:
    means = [(summary(list(cell_by_seed(record, finalist, "test", cell).values())), cell) for cell in cells_of(record)]
    pick = min if measure(record).maximize else max
    return pick([(found.mean, cell) for found, cell in means if found is not None], default=None)


def _added(record: StudyRecord, value: float | None, before: float | None) -> float | None:
    if value is None or before is None:
        return None
    return value - before if record.maximize else before - value
