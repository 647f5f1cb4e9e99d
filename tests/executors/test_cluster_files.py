"""Jobs on a node that does not see the coordinator's folder find their files, and the coordinator gets what they write."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors import Heartbeat, Job, JobEnd, Message
from hinet_search.executors.cluster import files as _carrying
from hinet_search.executors.cluster.actor import NodeActor, actor_name
from hinet_search.executors.cluster.files import Chunk, JobFiles, RemovedFile, Transfers, stamps
from hinet_search.executors.processes.job_bytes import pack, unpack
from tests.executors import jobs
from tests.executors.driving import PATIENCE_SECONDS

Heard = list[Message | JobEnd]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make(tmp_path / "home")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files of a node."""
    monkeypatch.setenv("TMPDIR", str(make(tmp_path / "node")))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / "node"


@pytest.fixture
def actor(node: Path) -> Iterator[NodeActor]:
    """A node actor that does not see the coordinator's folder."""
    new_keeper = keeper_elsewhere()
    yield new_keeper
    new_keeper.close()


def keeper_elsewhere() -> NodeActor:
    new_keeper = NodeActor(0, {}, "shop-1")
    assert not new_keeper.place("/no/such/marker").sees_home
    return new_keeper


def make(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


class Running:
    """A job on a node actor, as the coordinator runs it."""

    def __init__(
        self, actor: NodeActor, function: Callable[..., None], payload: Any, attempt: int = 1
    ) -> None:
        self.actor, self.transfers = actor, Transfers()
        self.job = Job("arm/0", attempt, function, payload)
        packed = pack(self.job)
        files = stamps(packed.payload.paths)
        self._said = actor.run(replace(packed, payload=replace(packed.payload, files=files)))

    def steps(self) -> Iterator[Any]:
        """Return the steps of the node actor, with files read and written."""
        for said in self._said:
            if isinstance(said, list):
                yield from (unpack(packed) for packed in said if not isinstance(packed, Heartbeat))
            else:
                if (answer := self.transfers.handle(said)) is not None:
                    self.actor.receive(answer)
                yield said

    def hear(self, until: Callable[[Heard], bool] = lambda heard: False) -> Heard:
        """Return messages until the job has ended, or until a condition holds."""
        heard: Heard = []
        limit = time.monotonic() + PATIENCE_SECONDS
        for said in self.steps():
            assert time.monotonic() < limit, heard
            heard += [said] if isinstance(said, Message | JobEnd) else []
            if until(heard):
                break
        return heard

    def stop(self) -> None:
        self.actor.stop(actor_name(self.job))


def bodies(heard: Heard) -> list[Any]:
    return [said.body for said in heard if isinstance(said, Message)]


def run(actor: NodeActor, function: Callable[..., None], payload: Any) -> list[Any]:
    return bodies(Running(actor, function, payload).hear())


def files_in(folder: Path) -> list[str]:
    return sorted(
        file.name for file in folder.rglob("*") if file.is_file() and file.name != ".lock"
    )


def test_a_job_finds_the_files_of_the_coordinators_folder_and_of_others(
    actor: NodeActor, home: Path, tmp_path: Path
) -> None:
    data, weights = (
        write(home / "cache/f00d/ids", "ids").parent,
        write(home / "w.safetensors", "weights"),
    )
    elsewhere = write(tmp_path / "data/f00d/empty", "").parent
    heard = run(actor, jobs.tell_files, (data, weights, elsewhere))
    assert [[(name, text) for name, _, text in files] for files in heard] == [
        [("ids", "ids")],
        [("w.safetensors", "weights")],
        [("empty", "")],
    ]


def test_a_large_file_comes_in_chunks(
    actor: NodeActor, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_carrying, "CHUNK_BYTES", 4)
    data = write(home / "cache/ids", "0123456789").parent
    running = Running(actor, jobs.tell_files, (data,))
    said = list(running.steps())
    assert len([message for message in said if isinstance(message, _carrying.Request)]) == 3
    assert [message.body[0][2] for message in said if isinstance(message, Message)] == [
        "0123456789"
    ]


def test_data_come_to_a_node_once(actor: NodeActor, home: Path) -> None:
    data = write(home / "cache/f00d/ids", "ids").parent
    second = keeper_elsewhere()
    inodes = {run(each, jobs.tell_files, (data,))[0][0][1] for each in (actor, actor, second)}
    second.close()
    assert len(inodes) == 1


def test_a_slot_waits_while_another_one_of_its_node_fetches(actor: NodeActor, home: Path) -> None:
    data = write(home / "cache/f00d/ids", "ids").parent
    second = keeper_elsewhere()
    first_job, second_job = (Running(each, jobs.tell_files, (data,)) for each in (actor, second))
    next(first_job.steps())  # it has asked for the file
    waits = next(second_job._said)
    assert waits == [Heartbeat("arm/0", 1)]
    first_job.hear()
    assert bodies(second_job.hear())[0][0][2] == "ids"
    second.close()


def test_files_on_a_node_belong_to_their_owner_alone_and_go_with_the_last_keeper(
    home: Path, node: Path
) -> None:
    actor, second = keeper_elsewhere(), keeper_elsewhere()
    data = write(home / "cache/f00d/ids", "ids").parent
    for each in (actor, second):
        run(each, jobs.tell_files, (data,))
    (folder,), (file,) = node.iterdir(), node.rglob("ids")
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    actor.close()
    assert file.exists()
    second.close()
    assert list(node.iterdir()) == []


def test_no_message_overtakes_a_file_that_was_written_before_it(
    actor: NodeActor, home: Path
) -> None:
    weights = home / "artifacts/shop/hinet/trial-0-seed-1.safetensors"
    heard: Heard = []
    for said in Running(actor, jobs.write_then_tell, weights).steps():
        if isinstance(said, Message):
            heard.append(said)
            texts = weights.read_text(), weights.with_suffix(".scores.safetensors").read_text()
            assert all(int(text.split()[1]) >= said.body for text in texts)
    assert bodies(heard) == [0, 1, 2]
    assert weights.read_text() == "weights 2"


def test_a_job_after_a_lost_node_resumes_from_the_coordinators_files(
    node: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, lost = home / "checkpoints/0", keeper_elsewhere()
    Running(lost, jobs.go_on, work).hear(lambda heard: files_in(work)[-1:] >= ["000005.txt"])
    lost.close()
    monkeypatch.setenv("TMPDIR", str(make(tmp_path / "another")))
    monkeypatch.setattr(tempfile, "tempdir", None)
    there = files_in(work)
    second = keeper_elsewhere()
    running = Running(second, jobs.go_on, work, attempt=2)
    assert bodies(running.hear(lambda heard: bool(bodies(heard)))) == [there]
    second.close()


def test_the_coordinator_keeps_no_more_files_than_the_job(
    actor: NodeActor, home: Path, node: Path
) -> None:
    work = home / "checkpoints/0"
    running = Running(actor, jobs.go_on, work)
    running.hear(lambda heard: files_in(work)[-1:] >= ["000005.txt"])
    running.stop()
    running.hear()
    *_, last = files_in(work)
    assert len(files_in(work)) == 2
    assert (work / last).read_text() == "stopped"
    assert files_in(node) == [], "nothing of the job is left on the node"


def test_a_file_that_has_not_arrived_as_a_whole_is_not_there(
    actor: NodeActor, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_carrying, "CHUNK_BYTES", 4)
    running = Running(actor, jobs.write_then_tell, home / "w.safetensors")
    assert isinstance(next(running.steps()), Chunk)
    running.transfers.close()
    assert files_in(home) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda chunk: replace(chunk, content=b"x" * len(chunk.content)),
        lambda chunk: replace(chunk, start=1),
        lambda chunk: replace(chunk, stamp=(chunk.stamp[0], 1)),
    ],
    ids=["another byte", "another place", "another size"],
)
def test_a_chunk_that_is_not_as_it_was_sent_ends_the_job_and_leaves_no_file(
    actor: NodeActor,
    home: Path,
    node: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Chunk], Chunk],
) -> None:
    monkeypatch.setattr(_carrying, "CHUNK_BYTES", 4)
    data = write(home / "cache/ids", "0123456789").parent
    chunks = iter([lambda chunk: chunk, change])
    receive = actor.receive
    monkeypatch.setattr(actor, "receive", lambda chunk: receive(next(chunks)(chunk)))
    (end,) = Running(actor, jobs.tell_files, (data,)).hear()
    cause = f"{data}/ids must arrive as it was sent, but did not from byte 4 on"
    assert end == JobEnd("arm/0", 1, cause, blocked=True)
    assert files_in(node) == []


def test_a_damaged_file_of_a_job_never_reaches_the_coordinators_folder(
    home: Path, tmp_path: Path
) -> None:
    write(tmp_path / "node" / (home / "w.txt").relative_to("/"), "weights")
    (chunk,) = JobFiles(tmp_path / "node", (home / "w.txt",), {}).changes()
    assert isinstance(chunk, Chunk)
    with pytest.raises(EnvironmentFault, match="must arrive as it was sent"):
        Transfers().handle(replace(chunk, content=b"weighty"))
    assert files_in(home) == []


def test_data_removed_from_a_node_stay_with_the_coordinator(home: Path, tmp_path: Path) -> None:
    data, work = write(home / "cache/ids", "ids").parent, home / "checkpoints/0"
    files = JobFiles(tmp_path / "node", (data, work), stamps((data, work)))
    here = tmp_path / "node" / data.relative_to("/") / "ids"
    files.write(Transfers().handle(_carrying.Request(data / "ids", 0)))  # type: ignore[arg-type]
    write(tmp_path / "node" / work.relative_to("/") / "1.txt", "one")
    here.unlink()
    assert [change.path for change in files.changes()] == [work / "1.txt"]


def test_files_of_a_folder_that_a_node_has_lost_stay_with_the_coordinator(
    home: Path, tmp_path: Path
) -> None:
    node, work = tmp_path / "node", home / "checkpoints/0"
    files, transfers = JobFiles(node, (work,), {}), Transfers()
    write(node / work.relative_to("/") / "1.txt", "one")
    for change in files.changes():
        transfers.handle(change)
    node.rename(tmp_path / "gone")
    assert list(files.changes()) == []
    assert files_in(home) == ["1.txt"]


def test_a_file_that_is_gone_at_home_is_the_cause_of_the_jobs_end(
    actor: NodeActor, home: Path
) -> None:
    data = write(home / "cache/ids", "ids").parent
    running = Running(actor, jobs.tell_files, (data,))
    (data / "ids").unlink()
    (end,) = running.hear()
    assert isinstance(end, JobEnd)
    assert end.cause.startswith(
        f"FileNotFoundError: [Errno 2] No such file or directory: '{data}/ids'"
    )


def test_a_job_that_waits_for_its_files_can_be_stopped(actor: NodeActor, home: Path) -> None:
    data = write(home / "cache/ids", "ids").parent
    running = Running(actor, jobs.until_stopped, data)
    next(running.steps())
    running.stop()
    assert running.hear() == [JobEnd("arm/0", 1, "")]
    assert bodies(Running(actor, jobs.count, 1, attempt=2).hear()) == [0]


def test_a_removal_never_overtakes_the_files_written_before_it(tmp_path: Path) -> None:
    files = JobFiles(tmp_path, (Path("/job"),), {})
    write(tmp_path / "job/1", "one")
    list(files.changes())
    write(tmp_path / "job/2", "two")
    changes = files.changes()
    next(changes)
    write(tmp_path / "job/3", "three")  # while the second file is on its way
    (tmp_path / "job/1").unlink()
    (tmp_path / "job/2").unlink()
    assert list(changes) == []
    assert [(type(change), change.path.name) for change in files.changes()] == [
        (Chunk, "3"),
        (RemovedFile, "1"),
        (RemovedFile, "2"),
    ]
