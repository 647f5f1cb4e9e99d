"""Coordinator: a launch as the command line makes it, in a process that a storm may hit, with light jobs on real slots.

`begin` starts it. A slot imports this module too, so what is heavy is imported inside.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
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
        from hinet_search.training.jobs.messages import ScoreTestJob
        from hinet_search.training.jobs.summarise import SummaryJob

        if isinstance(payload, SummaryJob):
            return Light("summary", key, self._where, seeds=payload.seeds)
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
        )


def _heavy(body: Any) -> object:
    """Convert a light job's message to the message that the search expects."""
    from hinet_search.results.records import CellValue, FinalistSummary, Resampled
    from hinet_search.training.jobs.messages import MetricsOnTest, TrainingResult
    from tests.search import studies

    match body:
        case ("evaluation", step, value):
            return studies.evaluation(step, value)
        case ("trained", step, value, stopped):
            return TrainingResult(
                studies.evaluation(step, value) if step else None, stopped, studies.COST
            )
        case ("opened", value):
            return MetricsOnTest((CellValue("home", "click", 5, 2, auc=value, logloss=0.6),))
        case ("summary", seeds):
            return FinalistSummary(
                tuple(seeds), (), (), Resampled("users", 5, (0.6, 0.6), ((0.6, 0.6),))
            )
    raise AssertionError(body)


class Telling:
    """A watcher that notes what is reported to a user: work that was reported as done must not be lost."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._done = -1

    def event(self, event: "Event") -> None:
        note(self._where, what="event", kind=event.kind, text=event.text)
        sys.stderr.write(f"{event.kind} {event.text}\n")

    def tick(self, progress: "Progress") -> None:
        done = sum(arm.trained for arm in progress.arms.values())
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
    from hinet_search.search.plan.plan import PreparedStudy
    from hinet_search.study.launch_options import LaunchOptions
    from hinet_search.training.device import ChosenDevice
    from tests.search.pretended import SPACE, STUDY, PretendedData

    plan, where = Plan(**json.loads((folder / "plan.json").read_text())), folder / "history"
    (folder / "rate.yaml").write_text(SPACE)
    (folder / f"{NAME}.yaml").write_text(
        f"{STUDY}arms: {{mmoe: {{space: rate}}}}\nfinalists: {{top: 1, seeds: 2}}\n".replace(
            "trials: 4", "trials: 1"
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
