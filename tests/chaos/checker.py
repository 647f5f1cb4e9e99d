"""Checker: compares what processes did, what readers saw, and what the database holds in the end."""

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from hinet_search.results.records import TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.load import load_record
from tests.chaos.coordinator import NAME
from tests.chaos.history import Fact, facts
from tests.chaos.light import value_of

RATE = "train.learning_rate"
UNIQUE = {
    "trials": "study_id, number",
    "trial_values": "trial_id, objective",
    "trial_intermediate_values": "trial_id, step",
    "trial_params": "trial_id, param_name",
    "hs_evaluation": "study, arm, number, step",
    "hs_finalist": "study, arm, trial_number, seed",
}


@dataclass
class Seen:
    """Finished trials as a reader saw them during the study, with the time at which each was first seen."""

    results: dict[int, tuple[str, float | None]] = field(default_factory=dict)
    when: dict[int, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def look(self, record: StudyRecord, now: float) -> None:
        """Check that finished trials have not changed."""
        for trial in record.arms[0].trials:
            if trial.state == "running":
                continue
            result = trial.state, trial.value
            if self.results.setdefault(trial.number, result) != result:
                self.wrong.append(
                    f"trial {trial.number} was {self.results[trial.number]}, now {result}"
                )
            self.when.setdefault(trial.number, now)


@dataclass
class Verdict:
    """The problems found, as sentences; the lists must be empty."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    trials: int = 0

    def __bool__(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.wrong)


def check(folder: Path, storage: str, trials: int, seen: Seen) -> Verdict:
    """Return the verdict on a storm over a study with that many trials."""
    database = connect(storage)
    try:
        record = load_record(database, NAME)
        verdict = Verdict(trials=len(record.arms[0].trials), wrong=list(seen.wrong))
        _tables(database, verdict)
        reported = _reported(database)
    finally:
        database.close()
    trials_by_number = {trial.number: trial for trial in record.arms[0].trials}
    ours = {
        (trial.number, evaluation.step, evaluation.objective)
        for trial in trials_by_number.values()
        for evaluation in trial.evaluations
    }
    verdict.wrong += (
        [f"Optuna and our rows differ in {sorted(ours ^ reported)[:5]}"] if ours != reported else []
    )
    _study(record, trials, verdict)
    _acknowledged(folder / "history", trials_by_number, seen, verdict)
    _curves(folder / "history", trials_by_number, verdict)
    leftovers = [str(path) for path in (folder / "out").rglob("checkpoints")]
    verdict.wrong += [f"{path} is left" for path in leftovers]
    return verdict


def _tables(database: Database, verdict: Verdict) -> None:
    with database.reading() as connection:
        for table, keys in UNIQUE.items():
            twice = connection.execute(
                text(f"SELECT {keys} FROM {table} GROUP BY {keys} HAVING COUNT(*) > 1")
            ).all()
            verdict.doubled += [f"{table} {tuple(row)}" for row in twice]
        if connection.dialect.name == "sqlite":
            (said,) = connection.execute(text("PRAGMA integrity_check")).scalars()
            verdict.wrong += [] if said == "ok" else [f"integrity_check: {said}"]
        left = connection.execute(text("SELECT COUNT(*) FROM hs_lease")).scalar_one()
        verdict.stuck += [f"{left} leases are still held"] if left else []


def _reported(database: Database) -> set[tuple[int, int, float]]:
    """Number, step and value of every report that Optuna holds."""
    reports = """SELECT number, step, intermediate_value FROM trial_intermediate_values
        JOIN trials ON trials.trial_id = trial_intermediate_values.trial_id"""
    with database.reading() as connection:
        return {(row[0], row[1], row[2]) for row in connection.execute(text(reports))}


def _study(record: StudyRecord, trials: int, verdict: Verdict) -> None:
    """Check budget, numbers, states, and one tested finalist."""
    (arm,) = record.arms
    numbers = [trial.number for trial in arm.trials]
    counted = sum(trial.counts for trial in arm.trials)
    verdict.stuck += [
        f"trial {trial.number} is still running" for trial in arm.trials if trial.state == "running"
    ]
    verdict.stuck += [] if record.state == "done" else [f"the study is {record.state}"]
    verdict.wrong += [] if counted == trials else [f"{counted} trials for a budget of {trials}"]
    verdict.wrong += [] if numbers == list(range(len(numbers))) else [f"numbers {numbers}"]
    chosen = [finalist for finalist in arm.finalists if finalist.chosen]
    whole = (
        len(chosen) == 1
        and len(chosen[0].runs) == 2
        and all(run.test_cells for run in chosen[0].runs)
    )
    verdict.wrong += [] if whole else ["no chosen finalist with every seed opened on test"]


def _acknowledged(
    where: Path, trials: dict[int, TrialRecord], seen: Seen, verdict: Verdict
) -> None:
    """Check that reported work is stored, and that finished work was not started again."""
    told = max((int(fact["trials"]) for fact in facts(where, "done")), default=0)
    finished = sum(trial.counts and trial.state != "running" for trial in trials.values())
    verdict.lost += (
        [f"{told} trials were said to be done, {finished} are"] if told > finished else []
    )
    for number, (state, value) in seen.results.items():
        now = trials.get(number)
        if now is None or (now.state, now.value) != (state, value):
            verdict.lost.append(
                f"trial {number} was seen {state} {value}, and is now {now and (now.state, now.value)}"
            )
    for fact in _of_trials(facts(where, "begin")):
        number = _number(fact)
        if float(fact["time"]) > seen.when.get(number, float("inf")):
            verdict.doubled.append(f"trial {number} began again after it was finished")


def _curves(where: Path, trials: dict[int, TrialRecord], verdict: Verdict) -> None:
    """Check that every value is the trial's and was measured, and that a failed trial had died three times."""
    measured = {
        (_number(fact), int(fact["step"])) for fact in _of_trials(facts(where, "evaluation"))
    }
    for number, trial in trials.items():
        steps = [evaluation.step for evaluation in trial.evaluations]
        verdict.wrong += (
            [] if steps == list(range(1, len(steps) + 1)) else [f"trial {number} has steps {steps}"]
        )
        for evaluation in trial.evaluations:
            expected = value_of(float(str(trial.parameters[RATE])), evaluation.step)
            if (number, evaluation.step) not in measured or evaluation.objective != expected:
                verdict.wrong.append(
                    f"trial {number} step {evaluation.step} says {evaluation.objective}, expected {expected}"
                )
        if trial.state == "failed" and (trial.attempt < 3 or "its process died" not in trial.cause):
            verdict.wrong.append(
                f"trial {number} failed after {trial.attempt} attempts: {trial.cause}"
            )
        if trial.state == "complete" and trial.value != trial.evaluations[-1].objective:
            verdict.wrong.append(
                f"trial {number} is {trial.value} and its last value {trial.evaluations[-1]}"
            )


def _of_trials(every: list[Fact]) -> list[Fact]:
    """Return the facts of trials, without those of finalists."""
    return [fact for fact in every if " seed " not in str(fact["key"])]


def _number(fact: Fact) -> int:
    return int(str(fact["key"]).split("/")[1])
