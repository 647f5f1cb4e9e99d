"""A fake executor and a fake phase: each follows its script and records what it was asked."""

from collections.abc import Callable

from hinet_search.executors import Job, JobEnd, JobEvent

Script = Callable[[Job], list[JobEvent]]


def ends(cause: str = "", **how: bool) -> Script:
    return lambda job: [JobEnd(job.key, job.attempt, cause, **how)]


returns, raises = ends(), ends("ValueError: no")
dies, blocked = ends("its process died", died=True), ends("no room", blocked=True)


class FakeExecutor:
    """Sends the scripted events of each job, one poll at a time; a stopped job ends at the next poll."""

    def __init__(self, script: Script = returns, slots: int = 1) -> None:
        self.script, self.slots = script, slots
        self.submitted: list[Job] = []
        self.stopped: list[str] = []
        self.killed: list[str] = []
        self._coming: dict[str, list[JobEvent]] = {}

    @property
    def free(self) -> int:
        return self.slots - len(self._coming)

    def submit(self, job: Job) -> None:
        self.submitted.append(job)
        self._coming[job.key] = self.script(job)

    def stop(self, key: str) -> None:
        self.stopped.append(key)
        self._coming[key] = [JobEnd(key, self.submitted[-1].attempt, "")]

    def runs(self, key: str) -> bool:
        return True

    def kill(self, key: str) -> None:
        self.killed.append(key)
        self._coming[key] = [
            JobEnd(key, self.submitted[-1].attempt, "its process died (signal SIGKILL)", died=True)
        ]

    def poll(self, timeout: float) -> list[JobEvent]:
        heard = [message for said in self._coming.values() for message in said]
        self._coming = {
            key: []
            for key, said in self._coming.items()
            if not any(isinstance(message, JobEnd) for message in said)
        }
        return heard


class FakePhase:
    """Offers jobs and records the messages that it gets."""

    def __init__(self, *keys: str) -> None:
        self.waiting = [Job(key, 1, print, None) for key in keys]
        self.heard: list[tuple[str, object]] = []
        self.ended: list[tuple[str, str, bool]] = []
        self.retried: list[tuple[str, int, str]] = []
        self.stop_when_heard: set[str] = set()

    def next_job(self) -> Job | None:
        return self.waiting.pop(0) if self.waiting else None

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:
        self.heard.append((key, body))
        if key in self.stop_when_heard:
            stop()

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        self.ended.append((key, cause, stopping))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        self.retried.append((key, attempt, cause))


def nothing() -> None: ...


def attempts(executor: FakeExecutor) -> list[tuple[str, int]]:
    return [(job.key, job.attempt) for job in executor.submitted]
