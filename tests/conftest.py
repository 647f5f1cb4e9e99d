"""What all tests share: groups, shortcuts and one browser. With CHECK_SHAPES=1, calls of models and training have their shapes and types checked."""

import gc
import os
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxtyping
import pytest
from hypothesis import settings

from tests import groups, shortcuts
from tests.object_store import environment, serving
from tests.postgres import emptied, server
from tests.waiting import LIMIT_SECONDS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.example 127.0.0.1",  # names of others may lead to this machine
]
os.environ.setdefault("OMP_NUM_THREADS", "1")
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # the background job of a shell is started deaf to it
settings.register_profile("project", deadline=None, max_examples=30, derandomize=True)
settings.load_profile("project")

if os.environ.get("CHECK_SHAPES"):  # `make shapes`
    jaxtyping.install_import_hook(
        ["hinet_search.models", "hinet_search.training", "hinet_search.data.schema"],
        "beartype.beartype",
    )
shortcuts.install(pytest.MonkeyPatch())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what stays to the end: modules and tests are a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test the markers of its groups."""
    for item in items:
        groups.mark(item)


@pytest.fixture(scope="module")
def as_shipped() -> Iterator[None]:
    """Spawn slots and make tables in the tests of this file, without the shortcuts."""
    with shortcuts.as_shipped():
        yield


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """Debian's Chromium, without a sandbox because containers run as root."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or "/usr/bin/chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=CHROMIUM, timeout=1000 * LIMIT_SECONDS
        )
        _be_patient(browser)
        yield browser
        browser.close()


def _be_patient(browser: "Browser") -> None:
    """Wait for what is awaited until a limit that only a fault reaches: the machine may be busy."""
    from playwright.sync_api import expect

    expect.set_options(timeout=1000 * LIMIT_SECONDS)
    for name in ("new_page", "new_context"):
        setattr(browser, name, partial(_patient, getattr(browser, name)))


def _patient(make: Callable[..., Any], **given: Any) -> Any:
    made = make(**given)
    made.set_default_timeout(1000 * LIMIT_SECONDS)
    return made


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server for the tests of one file; `emptied` gives an empty database of it."""
    with server(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The folder of buckets and the address of one server, as Polars keeps its connection."""
    folder = tmp_path_factory.mktemp("buckets")
    with serving(folder) as address:
        yield folder, address


@pytest.fixture
def bucket(store: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of what is at `s3://bucket`, empty."""
    folder, address = store
    for name, value in environment(address).items():
        monkeypatch.setenv(name, value)
    (folder / "bucket").mkdir()
    yield folder / "bucket"
    shutil.rmtree(folder / "bucket")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind."""
    return (
        str(tmp_path / "h.db")
        if request.param == "sqlite"
        else emptied(request.getfixturevalue("postgres"))
    )
