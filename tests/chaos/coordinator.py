"""Coordinator: a launch as the command line makes it, in a process that a storm may hit, with light jobs on real slots.

`python -m tests.chaos.coordinator FOLDER`. A slot imports this module too, so what is heavy is imported inside.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hinet_search.executors import Job, Message, Said
from tests.chaos import light
from tests.chaos.history import note
from tests.chaos.light import Light, Manner

if TYPE_CHECKING:
    from hinet_search.executors import Executor
    from hinet_search.search.progress import Event, Progress

NAME = "storm"


@dataclass(frozen=True)
class Plan:
    """A study of a storm. `manners` are of trials that do not behave, by number."""

    storage: str
    trials: int = 40
    slots: int = 4
    evaluations: int = 6
    seconds: float = 0.12
    silence_minutes: float = 10.0
    manners: Mapping[str, Manner] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        (folder / "history").mkdir(exist_ok=True)
        (folder / "plan.json").write_text(json.dumps(asdict(self)))


class LightExecutor:
    """The local executor, with a light job for every job, and real outcomes for what these say."""

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

    def poll(self, timeout: float) -> list[Said]:
        return [
            Message(one.key, one.attempt, _heavy(one.body)) if isinstance(one, Message) else one
            for one in self._local.poll(timeout)
        ]

    def forget(self, path: Path) -> None:
        self._local.forget(path)

    def close(self) -> None:
        self._local.close()

    def _light(self, key: str, payload: Any) -> Light:
        from hinet_search.summary import SummaryJob
        from hinet_search.trial import OpenTestJob

        if isinstance(payload, SummaryJob):
            return Light("summary", key, self._where, seeds=payload.seeds)
        rate = float(str(payload.values["train.learning_rate"]))
        if isinstance(payload, OpenTestJob):
            assert payload.weights.exists(), "test is scored with the weights of the run"
            return Light("open", key, self._where, rate)
        number = key.split("/")[1].split(maxsplit=1)[0]
        return Light(
            "train", key, self._where, rate, payload.seed, (), self._plan.evaluations, self._plan.seconds,
            "well" if payload.weights else self._plan.manners.get(number, "well"), payload.checkpoints, payload.weights,
        )  # fmt: skip


def _heavy(body: Any) -> object:
    """What the search expects to hear."""
    from hinet_search.records import CellValue, FinalistSummary, Resampled
    from hinet_search.trial import Opened, Trained
    from tests.search import studies

    match body:
        case ("evaluation", step, value):
            return studies.evaluation(step, value)
        case ("trained", step, value, stopped):
            return Trained(studies.evaluation(step, value) if step else None, stopped, studies.COST)
        case ("opened", value):
            return Opened((CellValue("home", "click", 5, 2, auc=value, logloss=0.6),))
        case ("summary", seeds):
            return FinalistSummary(tuple(seeds), (), (), Resampled("users", 5, (0.6, 0.6), ((0.6, 0.6),)))
    raise AssertionError(body)


class Telling:
    """A watcher that notes what a user is told: what was said to be done must not be lost."""

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


def main() -> None:
    import torch

    from hinet_search.errors import HinetSearchError
    from hinet_search.executors import local
    from hinet_search.search.launch import launch
    from hinet_search.search.options import LaunchOptions
    from hinet_search.search.plan import Ready
    from hinet_search.training.device import ChosenDevice
    from tests.search.pretended import SPACE, STUDY, PretendedData

    folder = Path(sys.argv[1])
    plan, where = Plan(**json.loads((folder / "plan.json").read_text())), folder / "history"
    (folder / "rate.yaml").write_text(SPACE)
    (folder / f"{NAME}.yaml").write_text(
        f"{STUDY}arms: {{mmoe: {{space: rate}}}}\nfinalists: {{top: 1, seeds: 2}}\n".replace("trials: 4", "trials: 1")
    )
    options = LaunchOptions(
        output=folder / "out", storage=plan.storage, trials=plan.trials, slots=plan.slots,
        settings={"silence_minutes": plan.silence_minutes},
    )  # fmt: skip
    study = options.load(str(folder / f"{NAME}.yaml"))
    ready = Ready(study, PretendedData(folder), ChosenDevice(torch.device("cpu")), plan.slots)  # type: ignore[arg-type]  # the part that is read
    start = local.start
    local.start = lambda *given: LightExecutor(start(*given), plan, where)  # type: ignore[assignment,return-value]  # likewise
    note(where, what="launch")
    try:
        launch(ready, options, "hinet-search launch storm", Telling(where))
    except HinetSearchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
