"""A newer folder replaces the model as a whole, or is refused; no request is lost."""

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from polars.exceptions import PanicException

from hinet_search.server import current_model
from hinet_search.server.current_model import keep_current, signature
from hinet_search.serving.requests.served_model import ServedModel, open_served
from tests.server.conftest import ADDRESS, GOOD, Asked, Make
from tests.server.running import run
from tests.server.test_score import Waiting
from tests.waiting import wait_until


@pytest.fixture
def linked(make: Make, folder: Path, tmp_path: Path) -> Asked:
    """A server whose FOLDER is a link."""
    (tmp_path / "current").symlink_to(folder)
    return make(tmp_path / "current")


def lead_to(link: Path, folder: Path) -> None:
    """Let a link lead to another folder, at once."""
    newer = link.with_name("newer")
    newer.symlink_to(folder)
    newer.rename(link)


def version(server: Asked) -> str:
    return str(server.ask("/ready").json()["version"])


def test_a_link_to_a_newer_folder_is_loaded(linked: Asked, other: Path) -> None:
    before = version(linked)
    lead_to(linked.service.current.folder, other)
    assert version(linked) == before
    linked.service.current.reload()
    assert version(linked) != before
    assert linked.metric('hinet_search_reloads_total{outcome="swapped"}') == 1
    assert linked.log[-1].startswith(f"loaded shop/shared_bottom, version {version(linked)}, in ")


def test_a_broken_folder_is_refused_and_the_model_stays(
    linked: Asked, other: Path, tmp_path: Path
) -> None:
    before = version(linked)
    broken = shutil.copytree(other, tmp_path / "broken")
    (broken / "weights.safetensors").write_bytes(b"x")
    lead_to(linked.service.current.folder, broken)
    linked.service.current.reload()
    ready = linked.ask("/ready").json()
    assert (ready["version"], ready["reload_refused"]) == (before, True)
    assert linked.score(GOOD).json()["version"] == before
    assert "reload refused, the model stays: " in linked.log[-1]
    assert "weights.safetensors: has changed" in linked.log[-1]
    assert linked.ask("/model").json()["reload_refused"][0].endswith("has changed")
    assert linked.metric("hinet_search_reload_is_refused") == 1
    lead_to(linked.service.current.folder, other)
    linked.service.current.reload()
    assert linked.ask("/ready").json()["reload_refused"] is False
    assert linked.metric("hinet_search_reload_is_refused") == 0


@pytest.mark.parametrize("error", [MemoryError("for two models"), PanicException("a bug")])
def test_a_model_that_memory_or_polars_cannot_take_is_refused(
    error: BaseException, linked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Path | None) -> None:
        raise error

    before = version(linked)
    monkeypatch.setattr(current_model, "open_served", failing)
    linked.service.current.reload()
    assert version(linked) == before
    said = f"{type(error).__name__}: {error}"
    assert linked.log[-1] == f"reload refused, the model stays: {said}"


def test_a_link_that_leads_to_itself_is_refused(linked: Asked, tmp_path: Path) -> None:
    before = version(linked)
    lead_to(linked.service.current.folder, Path("current"))
    assert signature(linked.service.current.folder) == ()
    linked.service.current.reload()
    assert version(linked) == before
    assert linked.log[-1].endswith("current: must be a folder or lead to one, but leads to itself")


def test_a_request_keeps_the_model_that_it_began_with(linked: Asked, other: Path) -> None:
    current, scorer = linked.service.current, Waiting()
    assert current.model is not None
    before = current.model.version
    current.model = replace(current.model, scorer=scorer)

    async def across() -> httpx.Response:
        transport = httpx.ASGITransport(linked.app)
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS) as client:
            reply = asyncio.create_task(client.post("/score", json={"rows": [GOOD]}))
            await asyncio.to_thread(scorer.is_asked.wait, 60)
            lead_to(current.folder, other)
            await asyncio.to_thread(current.reload)
            scorer.may_go_on.set()
            return await reply

    assert run(across()).json()["version"] == before
    assert version(linked) != before


class Counted:
    """A model that counts its reloads, with a folder that is seen with these contents, one after another."""

    def __init__(self, *seen: str) -> None:
        self.reloads, self._seen = 0, iter(seen)

    def reload(self) -> None:
        self.reloads += 1

    def signature(self) -> tuple[str]:
        for content in self._seen:
            return (content,)
        raise Ended


class Ended(Exception):
    """There is nothing more to see of the folder."""


@pytest.fixture
def reloads_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """How many reloads there are while a watched folder is seen with these contents, one after another."""

    def count(*seen: str) -> int:
        loaded, *later = seen
        monkeypatch.setattr(current_model, "WATCH_SECONDS", 0.001)
        counted = Counted(*later)
        with pytest.raises(Ended):
            run(keep_current(counted, asyncio.Event(), (loaded,), watch=True))  # type: ignore[arg-type]  # it reloads
        return counted.reloads

    return count


@pytest.mark.parametrize(
    ("seen", "count"),
    [("aaaa", 0), ("aabb", 1), ("aabbbbb", 1), ("aabcdd", 1), ("abcdef", 0), ("abbcc", 2)],
)
def test_a_watched_folder_is_loaded_again_once_it_no_longer_changes(
    seen: str, count: int, reloads_of: Callable[..., int]
) -> None:
    assert reloads_of(*seen) == count


def test_what_is_watched_changes_with_the_link_and_with_a_file(
    linked: Asked, other: Path, tmp_path: Path
) -> None:
    link = linked.service.current.folder
    first = signature(link)
    assert signature(link) == first
    copied = shutil.copytree(other, tmp_path / "copied")
    lead_to(link, copied)
    second = signature(link)
    assert second != first
    (copied / "config.yaml").write_text("format: 2", encoding="utf-8")
    assert signature(link) != second


def test_a_subfolder_may_be_removed_while_the_files_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir
    (tmp_path / "config.yaml").touch()
    (tmp_path / "encoding").mkdir()

    def removed_first(folder: Path | str) -> Any:
        if Path(folder).name == "encoding":
            Path(folder).rmdir()
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", removed_first)
    _, (listed, *_) = signature(tmp_path)  # type: ignore[misc]  # of one file
    assert listed == tmp_path / "config.yaml"
    assert not (tmp_path / "encoding").exists()


def test_a_link_that_leads_elsewhere_during_the_first_load_is_noticed(
    make: Make, folder: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "current"
    link.symlink_to(folder)
    server = make(link, load=False)

    def open_slowly(place: Path, *more: Any) -> ServedModel:
        served = open_served(place, *more)
        lead_to(link, other)
        return served

    monkeypatch.setattr(current_model, "open_served", open_slowly)
    loaded = server.service.current.load()
    assert loaded != server.service.current.signature()
    first = version(server)
    monkeypatch.setattr(current_model, "open_served", open_served)
    monkeypatch.setattr(current_model, "WATCH_SECONDS", 0.01)

    async def watched() -> None:
        current = server.service.current
        keeping = asyncio.create_task(keep_current(current, asyncio.Event(), loaded, watch=True))
        await asyncio.to_thread(wait_until, lambda: version(server) != first)
        keeping.cancel()

    run(watched())


def test_without_watching_a_folder_is_loaded_again_when_that_is_asked_for() -> None:
    counted = Counted("a", "a", "a")

    async def asked_once() -> None:
        asked = asyncio.Event()
        keeping = asyncio.create_task(keep_current(counted, asked, (), watch=False))  # type: ignore[arg-type]  # it reloads
        asked.set()
        await asyncio.to_thread(wait_until, lambda: counted.reloads == 1)
        keeping.cancel()

    run(asked_once())
