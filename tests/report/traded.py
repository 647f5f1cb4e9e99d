"""A synthetic study with several objectives: finalists of three arms, of which some are beaten."""

from dataclasses import replace

from hinet_search.results.records import EvaluationRecord, FinalistRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from tests.report.studies import small

# Trial, mean AUC and milliseconds for 100 rows; the first finalist of an arm is the chosen one.
FINALISTS = {
    "hinet": ((1, 0.70, 9.0), (2, 0.69, 4.0)),
    "ple": ((3, 0.68, 3.0), (4, 0.60, 1.0)),
    "single": ((5, 0.66, 3.5),),
}
TRIALS = ((6, 0.71, 9.5), (7, 0.65, 2.0), (8, 0.64, 2.5), (9, 0.2, 0.5))  # of every arm


def traded(others: tuple[str, ...] = ("latency_ms",)) -> StudyRecord:
    """A done study with these further objectives."""
    record = small()
    arms = tuple(
        replace(
            arm,
            finalists=tuple(
                _finalist(record, *of_finalist, chosen=place == 0)
                for place, of_finalist in enumerate(FINALISTS[arm.name])
            ),
            trials=tuple(_trial(record, *of_trial) for of_trial in TRIALS),
        )
        for arm in record.arms
    )
    return replace(record, state="done", arms=arms, other_objectives=others)


def _finalist(
    record: StudyRecord, trial: int, value: float, milliseconds: float, *, chosen: bool
) -> FinalistRecord:
    base = record.arms[0].finalists[0]
    runs = tuple(
        replace(
            run,
            valid_objective=value + run.seed % 2 / 1000,
            test_cells=run.valid_cells if chosen else None,
            cost=replace(run.cost, milliseconds_per_100=milliseconds),
        )
        for run in base.runs
    )
    return replace(base, trial_number=trial, runs=runs, chosen=chosen)


def _trial(record: StudyRecord, number: int, value: float, milliseconds: float) -> TrialRecord:
    run = record.arms[0].finalists[0].runs[0]
    cost = replace(run.cost, milliseconds_per_100=milliseconds)
    evaluated = EvaluationRecord(1, 1.0, value, 0.5, 1.0, run.valid_cells)
    return TrialRecord(number, "complete", value, {}, False, "", (evaluated,), cost)
