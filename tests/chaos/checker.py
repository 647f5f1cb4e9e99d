"""Checker: compares what processes did, what readers saw, and what the database holds in the end."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.load import load_record
from tests.chaos.coordinator import DISTILLED, NAME, Plan
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
        trained = sum(len(arm.trials) for arm in record.arms_and_students)
        verdict = Verdict(trials=trained, wrong=list(seen.wrong))
        _tables(database, verdict)
        reported = _reported(database)
    finally:
        database.close()
    every = record.arms_and_students
    trials_by_number = {trial.number: trial for trial in record.arms[0].trials}
    ours = {
        (f"{NAME}/{arm.name}", trial.number, evaluation.step, evaluation.objective)
        for arm in every
        for trial in arm.trials
        for evaluation in trial.evaluations
    }
    verdict.wrong += (
        [f"Optuna and our rows differ in {sorted(ours ^ reported)[:5]}"] if ours != reported else []
    )
    plan = Plan(**json.loads((folder / "plan.json").read_text()))
    for arm in every:
        _arm(arm, plan.student_trials if arm.student_of else trials, verdict)
        _curves(folder / "history", arm, verdict)
    _study(record, verdict)
    _more(folder, record, plan, verdict)
    _acknowledged(folder / "history", trials_by_number, seen, verdict)
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


def _reported(database: Database) -> set[tuple[str, int, int, float]]:
    """Study, number, step and value of every report that Optuna holds."""
    reports = """SELECT study_name, number, step, intermediate_value FROM trial_intermediate_values
        JOIN trials ON trials.trial_id = trial_intermediate_values.trial_id
        JOIN studies ON studies.study_id = trials.study_id"""
    with database.reading() as connection:
        return {(row[0], row[1], row[2], row[3]) for row in connection.execute(text(reports))}


def _study(record: StudyRecord, verdict: Verdict) -> None:
    """Check that the study is done, and has a verdict."""
    verdict.stuck += [] if record.state == "done" else [f"the study is {record.state}"]
    verdict.lost += [] if record.verdict else ["the verdict"]


def _more(folder: Path, record: StudyRecord, plan: Plan, verdict: Verdict) -> None:
    """Check students, ensemble, teacher and refits, if the plan has them."""
    wanted = {"teaching": ["distilled_mmoe"], "ensemble": ["ensemble", "teacher"]}
    found = {
        "teaching": [arm.name for arm in record.students],
        "ensemble": sorted(each.name for each in record.ensembles),
    }
    for key, names in wanted.items():
        expected = names if f"{key}:" in plan.more else []
        verdict.lost += [] if found[key] == expected else [f"{key}: {found[key]}, not {expected}"]
    tested = [each.test_cells for each in record.ensembles if each.name == "ensemble"]
    verdict.lost += [] if all(tested) else ["the ensemble's test metrics"]
    refits = [path.name for path in (folder / "out").rglob("*.refit.safetensors")]
    verdict.lost += [] if bool(refits) == plan.refit else [f"refits: {refits}"]
    parts = [str(path) for path in (folder / "out").rglob("*.part")]
    verdict.wrong += [f"{path} is left" for path in parts]


def _arm(arm: ArmRecord, trials: int, verdict: Verdict) -> None:
    """Check budget, numbers, states, and one tested finalist."""
    numbers = [trial.number for trial in arm.trials]
    counted = sum(trial.counts for trial in arm.trials)
    verdict.stuck += [
        f"{_name(arm, trial.number)} is still running"
        for trial in arm.trials
        if trial.state == "running"
    ]
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


def _curves(where: Path, arm: ArmRecord, verdict: Verdict) -> None:
    """Check that every value is the trial's and was measured, and that a failed trial had died three times."""
    measured = {(str(fact["key"]), int(fact["step"])) for fact in facts(where, "evaluation")}
    for trial in arm.trials:
        steps, name = (
            [evaluation.step for evaluation in trial.evaluations],
            _name(arm, trial.number),
        )
        verdict.wrong += (
            [] if steps == list(range(1, len(steps) + 1)) else [f"{name} has steps {steps}"]
        )
        rate = float(str({**arm.fixed, **trial.parameters}[RATE]))
        for evaluation in trial.evaluations:
            expected = value_of(rate, evaluation.step)
            is_measured = (f"{arm.name}/{trial.number}", evaluation.step) in measured
            if not is_measured or evaluation.objective != expected:
                verdict.wrong.append(
                    f"{name} step {evaluation.step} says {evaluation.objective}, expected {expected}"
                )
        if trial.state == "failed" and (trial.attempt < 3 or "its process died" not in trial.cause):
            verdict.wrong.append(f"{name} failed after {trial.attempt} attempts: {trial.cause}")
        if trial.state == "complete" and trial.value != trial.evaluations[-1].objective:
            verdict.wrong.append(
                f"{name} is {trial.value} and its last value {trial.evaluations[-1]}"
            )


def _name(arm: ArmRecord, number: int) -> str:
    return f"trial {arm.name}/{number}" if arm.student_of else f"trial {number}"


def _of_trials(every: list[Fact]) -> list[Fact]:
    """Return the facts of trials, without those of finalists and students."""
    keys = [(fact, str(fact["key"])) for fact in every]
    return [fact for fact, key in keys if " seed " not in key and not key.startswith(DISTILLED)]


def _number(fact: Fact) -> int:
    return int(str(fact["key"]).split("/")[1])
