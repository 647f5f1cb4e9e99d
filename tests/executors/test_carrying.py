"""Jobs whose machine does not see the coordinator's folder find their files all the same, and so does who comes after them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hinet_search.executors import Ended, Job, Message
from hinet_search.executors._carrier import Carrier
from hinet_search.executors._exchange import Content, Exchange
from hinet_search.executors._slots import Slots
from hinet_search.patience import Notice
from tests.executors import jobs
from tests.s3 import S3

PATIENCE_SECONDS = 60.0

Heard = list[Message | Ended]
Start = Callable[..., Carrier]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def exchange(url: str) -> Exchange:
    return Exchange(f"{url}/shop-1")


@pytest.fixture
def start(exchange: Exchange, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts an executor whose slots are on the node of that name."""
    started: list[Carrier] = []

    def begin(node: str, slots: int = 1) -> Carrier:
        (tmp_path / node).mkdir(exist_ok=True)
        monkeypatch.setenv("TMPDIR", str(tmp_path / node))
        started.append(Carrier(Slots(range(slots)), exchange, home, "shop-1"))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def hear(executor: Carrier, until: Callable[[Heard], bool]) -> Heard:
    heard: Heard = []
    limit = time.monotonic() + PATIENCE_SECONDS
    while not until(heard):
        assert time.monotonic() < limit, heard
        heard += executor.poll(0.05)
    return heard


def ended(heard: Heard) -> bool:
    return any(isinstance(one, Ended) for one in heard)


def run(executor: Carrier, function: Callable[..., None], payload: Any) -> Heard:
    executor.submit(Job("arm/0", 1, function, payload))
    return hear(executor, ended)


def bodies(heard: Heard) -> list[Any]:
    return [one.body for one in heard if isinstance(one, Message)]


def wait_until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def names(exchange: Exchange, below: Path, home: Path) -> list[str]:
    return [name.rpartition("/")[2] for name in exchange.found(below.relative_to(home).as_posix())]


def files_of(node: Path) -> list[str]:
    """Names of all files that are kept for jobs on a node."""
    return sorted(file.name for file in node.rglob("*") if file.is_file() and file.name != ".lock")


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_job_finds_what_the_coordinator_has_in_its_folder_and_elsewhere(
    start: Start, home: Path, tmp_path: Path
) -> None:
    data, weights = write(home / "cache/f00d/ids", "ids").parent, write(home / "w.safetensors", "weights")
    elsewhere = write(tmp_path / "data/f00d/ids", "other ids").parent
    heard = bodies(run(start("node"), jobs.tell_files, (data, weights, elsewhere)))
    assert [[(name, text) for name, _, text in one] for one in heard] == [
        [("ids", "ids")],
        [("w.safetensors", "weights")],
        [("ids", "other ids")],
    ]


def test_data_come_to_a_node_once_for_all_its_slots_and_jobs(start: Start, home: Path) -> None:
    data = write(home / "cache/f00d/ids", "ids").parent
    executor = start("node", slots=2)
    for key in ("arm/1", "arm/2"):
        executor.submit(Job(key, 1, jobs.tell_files, (data,)))
    heard = hear(executor, lambda heard: sum(isinstance(one, Ended) for one in heard) == 2)
    heard += run(executor, jobs.tell_files, (data,))
    assert len({inode for ((_, inode, _),) in bodies(heard)}) == 1


def test_no_message_overtakes_a_file_that_was_written_before_it(start: Start, home: Path) -> None:
    weights, executor = home / "artifacts/shop/hinet/trial-0-seed-1.safetensors", start("node")
    executor.submit(Job("arm/0", 1, jobs.write_then_tell, weights))
    heard: Heard = []
    while not ended(heard):
        for one in executor.poll(0.05):
            heard.append(one)
            if isinstance(one, Message):
                texts = weights.read_text(), weights.with_suffix(".scores.safetensors").read_text()
                assert all(int(text.split()[1]) >= one.body for text in texts)
    assert bodies(heard) == [0, 1, 2]
    assert weights.read_text() == "weights 2"


def lose(executor: Carrier) -> None:
    """Its node is gone in the middle of a job, with all that it had."""
    executor._executor._slots[0].process.kill()  # type: ignore[attr-defined]  # those of this machine
    (end,) = [one for one in hear(executor, ended) if isinstance(one, Ended)]
    assert end.died


@pytest.fixture
def work(home: Path) -> Path:
    return home / "artifacts/shop/checkpoints/hinet/0"


def begin(executor: Carrier, exchange: Exchange, work: Path, home: Path) -> None:
    """A job that has left a few files, of which the exchange has two."""
    executor.submit(Job("arm/0", 1, jobs.go_on, work))
    limit = time.monotonic() + PATIENCE_SECONDS
    while len(there := names(exchange, work, home)) < 2 or max(there) < "000010.txt":
        assert time.monotonic() < limit
        executor.poll(0.05)


def test_who_comes_after_a_lost_node_goes_on_from_what_the_exchange_has(
    start: Start, exchange: Exchange, work: Path, home: Path
) -> None:
    executor = start("node")
    begin(executor, exchange, work, home)
    lose(executor)
    there = names(exchange, work, home)
    second = start("another")
    second.submit(Job("arm/0", 2, jobs.go_on, work))
    assert bodies(hear(second, bodies)) == [there]
    assert not work.exists(), "what a job goes on from stays in the exchange"
    second.stop("arm/0")
    hear(second, ended)


def test_the_exchange_has_no_more_than_the_job_keeps(start: Start, exchange: Exchange, work: Path, home: Path) -> None:
    executor = start("node")
    begin(executor, exchange, work, home)
    executor.stop("arm/0")
    hear(executor, ended)
    assert len(names(exchange, work, home)) == 2


def test_what_a_stopped_job_leaves_last_is_in_the_exchange_when_it_ends(
    start: Start, exchange: Exchange, work: Path, home: Path, tmp_path: Path
) -> None:
    executor = start("node")
    begin(executor, exchange, work, home)
    executor.stop("arm/0")
    hear(executor, ended)
    *_, last = names(exchange, work, home)
    (content,) = exchange.found((work / last).relative_to(home).as_posix()).values()
    assert content.num_bytes == len("stopped")
    assert files_of(tmp_path / "node") == [], "nothing is left on the node"


def test_what_a_job_that_came_to_its_end_would_go_on_from_is_not_put(
    start: Start, exchange: Exchange, work: Path, home: Path, tmp_path: Path
) -> None:
    run(start("node"), jobs.add_one, work)
    assert names(exchange, work, home) == []
    assert files_of(tmp_path / "node") == []


def spoil(exchange: Exchange, name: str, content: Content) -> None:
    exchange._files.pipe_file(exchange._object(name, content), b"x" * content.num_bytes)


def test_a_damaged_file_gives_way_to_the_one_before(start: Start, exchange: Exchange, work: Path, home: Path) -> None:
    executor = start("node")
    begin(executor, exchange, work, home)
    lose(executor)
    *before, last = names(exchange, work, home)  # one before, or none where the job had just dropped it
    name = (work / last).relative_to(home).as_posix()
    spoil(exchange, name, exchange.found(name)[name])
    other = start("another")
    other.submit(Job("arm/0", 2, jobs.go_on, work))
    notice, found = bodies(hear(other, lambda heard: len(heard) == 2))
    assert notice == Notice(f"{exchange.url}/{name} must hold what was put, but is damaged; it is passed over")
    assert found == before
    other.stop("arm/0")
    hear(other, ended)


def test_data_that_are_damaged_in_the_exchange_keep_a_job_from_its_work_and_are_put_again_by_the_next_launch(
    start: Start, exchange: Exchange, home: Path
) -> None:
    data = write(home / "cache/f00d/ids", "ids").parent
    run(start("node"), jobs.tell_files, (data,))
    spoil(exchange, "cache/f00d/ids", exchange.found("cache")["cache/f00d/ids"])
    (end,) = run(start("another"), jobs.tell_files, (data,))
    assert end == Ended(
        "arm/0", 1, f"{exchange.url}/cache/f00d/ids must hold what was put, but is damaged", blocked=True
    )
    ((found,),) = bodies(run(start("another"), jobs.tell_files, (data,)))
    assert found[2] == "ids"


def test_half_a_file_on_a_node_is_fetched_again(start: Start, home: Path, tmp_path: Path) -> None:
    data = write(home / "cache/f00d/ids", "ids").parent
    run(start("node"), jobs.tell_files, (data,))
    (there,) = (tmp_path / "node").rglob("ids")
    there.write_text("i")
    ((found,),) = bodies(run(start("node"), jobs.tell_files, (data,)))
    assert found[2] == "ids"


def test_what_is_forgotten_is_gone_from_the_exchange(start: Start, exchange: Exchange, home: Path) -> None:
    data, executor = write(home / "cache/f00d/ids", "ids").parent, start("node")
    run(executor, jobs.tell_files, (data,))
    assert exchange.found("cache")
    executor.forget(data)
    executor.close()
    assert exchange.found("cache") == {}
    assert data.exists(), "here it stays"


def test_a_job_that_has_not_gone_out_yet_can_be_stopped(start: Start, home: Path) -> None:
    executor = start("node")
    executor.submit(Job("arm/0", 1, jobs.until_stopped, None))
    executor.stop("arm/0")
    assert hear(executor, ended) == [Ended("arm/0", 1, "")]
    assert executor.free == 1


def test_an_exchange_that_is_away_does_not_stop_a_job_and_its_last_files_wait_for_it(
    s3: S3, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    exchange, work = Exchange(f"{s3.bucket()}/shop-1"), home / "checkpoints/0"
    executor = Carrier(Slots(range(1)), exchange, home, "shop-1")
    begin(executor, exchange, work, home)
    s3.turn()
    (away,) = bodies(hear(executor, bodies))
    assert away.text.startswith(f"exchange {exchange.url} is not usable: Could not connect")
    (place,) = tmp_path.glob("hinet-search-of-*/checkpoints/0")
    before = sorted(place.iterdir())
    wait_until(lambda: sorted(place.iterdir()) > before)
    executor.stop("arm/0")
    assert not ended(executor.poll(1.0))
    s3.turn()
    hear(executor, ended)
    *_, last = exchange.found("checkpoints").values()
    assert last.num_bytes == len("stopped")
    executor.close()
