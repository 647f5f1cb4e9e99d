"""Coordinator: a launch as the command line makes it, in a process that a storm may hit, with light jobs on real slots.

`begin` starts it. A slot imports this module too, so what is heavy is imported inside.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hinet_search.executors import Job, JobEvent, Message
from tests.chaos import light
from tests.chaos.history import note
from tests.chaos.light import Light, Manner

if TYPE_CHECKING:
    from hinet_search.executors import Executor
    from hinet_search.search.progress import Event, Progress
    from tests.forked import Forked

NAME = "storm"
# A plan of a study with everything that follows its trials.
FULL: Mapping[str, Any] = {
    "more": "objectives: [mean_auc, flops_per_row]\n"
    "teaching: {students: [mmoe], trials: 6}\nensemble: true\n",
    "refit": True,
    "student_trials": 6,
}
DISTILLED = "distilled_"  # as in results/records.py, which a slot need not import


@dataclass(frozen=True)
class Plan:
    """A study of a storm. `manners` says which trials misbehave and how, by number."""

    storage: str
    trials: int = 40
    slots: int = 4
    evaluations: int = 6
    seconds: float = 0.12
    silence_minutes: float = 10.0
    renewal_seconds: float = 10.0  # between two heartbeats
    manners: Mapping[str, Manner] = field(default_factory=dict)
    more: str = ""  # lines of the study file
    refit: bool = False
    student_trials: int = 0  # of the key teaching

    def write(self, folder: Path) -> None:
        (folder / "history").mkdir(exist_ok=True)
        (folder / "plan.json").write_text(json.dumps(asdict(self)))


class LightExecutor:
    """The local executor, running a light job for every job and converting its messages to real outcomes."""

    def __init__(self, local: "Executor", plan: Plan, where: Path) -> None:
        self._local = local
        self._plan = plan
        self._where = where

    @property
    def free(self) -> int:
        return self._local.free

    @property
    def waiting(self) -> str:
        return self._local.waiting

    def submit(self, job: Job) -> None:
        self._local.submit(Job(job.key, job.attempt, light.run, self._light(job.key, job.payload)))

    def stop(self, key: str) -> None:
        self._local.stop(key)

    def runs(self, key: str) -> bool:
        return self._local.runs(key)

    def kill(self, key: str) -> None:
        self._local.kill(key)

    def poll(self, timeout: float) -> list[JobEvent]:
        return [
            Message(message.key, message.attempt, _heavy(message.body))
            if isinstance(message, Message)
            else message
            for message in self._local.poll(timeout)
        ]

    def close(self) -> None:
        self._local.close()

    def _light(self, key: str, payload: Any) -> Light:
        from hinet_search.training.jobs.messages import ScoreTestJob, scores_path
        from hinet_search.training.jobs.score import SummaryJob

        if isinstance(payload, SummaryJob):
            return Light("summary", key, self._where, seeds=payload.seeds, needs=payload.scores)
        if other := self._other(key, payload):
            return other
        rate = payload.config.train.learning_rate
        if isinstance(payload, ScoreTestJob):
            assert payload.weights.exists(), "test is scored with the weights of the run"
            return Light("open", key, self._where, rate)
        number = key.split("/")[1].split(maxsplit=1)[0]
        return Light(
            "train",
            key,
            self._where,
            rate,
            payload.seed,
            (),
            self._plan.evaluations,
            self._plan.seconds,
            "well" if payload.weights else self._plan.manners.get(number, "well"),
            payload.checkpoints,
            payload.weights,
            payload.measured_first,
            needs=(payload.teacher,) if payload.teacher else (),
            makes=(scores_path(payload.weights),) if payload.weights else (),
        )

    def _other(self, key: str, payload: Any) -> Light | None:
        """Return the work of ensembles, teachers and refits; None for a training and a test access."""
        from hinet_search.training.jobs.ensemble import (
            ScoreEnsembleJob,
            ScoreMemberJob,
            SelectJob,
            TeachJob,
        )
        from hinet_search.training.jobs.messages import RefitJob, scores_path, split_scores_path

        light = partial(Light, key=key, where=self._where, seconds=self._plan.seconds)
        if isinstance(payload, SelectJob):
            return light("selection", needs=payload.scores)
        if isinstance(payload, ScoreMemberJob):
            made = split_scores_path(payload.weights, payload.split)
            return light("member", needs=(payload.weights,), makes=(made,))
        if isinstance(payload, TeachJob | ScoreEnsembleJob):
            scores = tuple(path for member in payload.members for path in member.scores.values())
            kind: Any = "teacher" if isinstance(payload, TeachJob) else "ensemble"
            return light(kind, needs=scores, makes=(payload.path,))
        if isinstance(payload, RefitJob):
            weights, teacher = payload.training.weights, payload.training.teacher
            assert weights is not None
            needs = (teacher,) if teacher else ()
            return light("refit", needs=needs, makes=(scores_path(weights), weights))
        return None


def _heavy(body: Any) -> object:
    """Convert a light job's message to the message that the search expects."""
    from hinet_search.training.jobs.messages import TrainingResult
    from tests.search import studies

    match body:
        case ("evaluation", step, value):
            return studies.evaluation(step, value)
        case ("trained", step, value, stopped):
            best = studies.evaluation(step, value) if step else None
            return TrainingResult(best, stopped, studies.COST)
        case (kind, content):
            return _result(kind, content)
    raise AssertionError(body)


def _result(kind: str, content: Any) -> object:
    """Return the only message of a job that is no training."""
    from hinet_search.results.records import CellValue, FinalistSummary, Resampled
    from hinet_search.training.jobs.ensemble import EnsembleOnTest
    from hinet_search.training.jobs.messages import MetricsOnTest, Refitted
    from tests.search import pretended, studies

    users = Resampled("users", 5, (0.6, 0.6), ((0.6, 0.6),))
    cells = (CellValue("home", "click", 5, 2, auc=content, logloss=0.6),)
    results: dict[str, Callable[[], object]] = {
        "cost": lambda: studies.COST,
        "opened": lambda: MetricsOnTest(cells),
        "summary": lambda: FinalistSummary(tuple(content), (), (), users),
        "selection": lambda: pretended.mean_of(content),
        "member": lambda: None,
        "teacher": lambda: None,
        "ensemble": lambda: EnsembleOnTest((pretended.TESTED,), users),
        "refit": lambda: Refitted(10, 4),
    }
    return results[kind]()


class Telling:
    """A watcher that notes what is reported to a user: work that was reported as done must not be lost."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._done = -1

    def event(self, event: "Event") -> None:
        note(self._where, what="event", kind=event.kind, text=event.text)
        sys.stderr.write(f"{event.kind} {event.text}\n")

    def tick(self, progress: "Progress") -> None:
        done = sum(
            arm.trained for arm in progress.arms.values() if not arm.name.startswith(DISTILLED)
        )
        if done != self._done:
            self._done = done
            note(self._where, what="done", trials=done)


def begin(folder: Path, said: Path) -> "Forked":
    """Start a coordinator of the plan in the folder; its output is appended to a file."""
    from tests.forked import Forked

    return Forked(said, coordinate, folder)


def coordinate(folder: Path) -> None:
    """Launch the study of the plan in the folder."""
    import torch

    from hinet_search.common.errors import HinetSearchError
    from hinet_search.executors import local
    from hinet_search.search import coordinator
    from hinet_search.search.launch import launch
    from hinet_search.search.plan.prepare import PreparedStudy
    from hinet_search.study.launch_options import LaunchOptions
    from hinet_search.training.device import ChosenDevice
    from tests.search.pretended import SPACE, STUDY, PretendedData

    plan, where = Plan(**json.loads((folder / "plan.json").read_text())), folder / "history"
    (folder / "rate.yaml").write_text(SPACE)
    (folder / f"{NAME}.yaml").write_text(
        f"{STUDY}arms: {{mmoe: {{space: rate}}}}\n{plan.more}"
        f"finalists: {{top: 1, seeds: 2, refit: {str(plan.refit).lower()}}}\n".replace(
            "trials: 4\n", "trials: 1\n"
        )
    )
    options = LaunchOptions(
        output=folder / "out",
        storage=plan.storage,
        trials=plan.trials,
        slots=plan.slots,
        settings={"silence_minutes": plan.silence_minutes},
    )
    study = options.load(str(folder / f"{NAME}.yaml"))
    ready = PreparedStudy(
        study, PretendedData(folder), ChosenDevice(torch.device("cpu")), plan.slots
    )  # type: ignore[arg-type]  # the part that is read
    start = local.start
    coordinator.LEASE_RENEWAL_SECONDS = plan.renewal_seconds
    local.start = lambda *given: LightExecutor(start(*given), plan, where)  # type: ignore[assignment,return-value]  # likewise
    note(where, what="launch")
    try:
        launch(ready, options, "hinet-search launch storm", Telling(where))
    except HinetSearchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
