"""The dashboard in a real browser: foreign names and pages."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIServer, make_server
from wsgiref.types import WSGIApplication

import optuna
import pytest
from optuna_dashboard import save_note
from playwright.sync_api import Browser, BrowserContext, Page

from hinet_search.dashboard import server as dashboard
from hinet_search.dashboard.access import Access
from hinet_search.storage.engine import Database
from tests.report.studies import INJECTION
from tests.storage.small_study import small_study

pytestmark = pytest.mark.browser

TOKEN = "a-token-of-some-length"
ATTACK = """async base => {
  const said = [];
  const ask = async (path, options) => {
    try { const answer = await fetch(base + path, options); said.push(`${answer.type} ${answer.status}`) }
    catch (error) { said.push('blocked') }
  };
  await ask('/api/studies/1', {method: 'DELETE'});
  await ask('/api/studies/1/rename', {method: 'POST', mode: 'no-cors', body: '{}'});
  await ask('/api/studies', {});
  return said;
}"""
# Scripts of markup and handlers of images that were in the page before this one have run then.
ANOTHER_IMAGE_FAILED = """() => new Promise(done => {
  const image = new Image();
  image.onerror = () => setTimeout(done, 0);
  image.src = '/there-is-no-such-image';
  document.body.append(image);
})"""


@dataclass(frozen=True)
class Served:
    """A dashboard that answers, and what is behind it."""

    port: int
    database: Database

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_whole(self) -> bool:
        """Return whether both studies still exist."""
        return {study.study_name for study in self.database.storage.get_all_studies()} == {
            "small/hinet",
            "small/single",
        }


@contextmanager
def running(server: WSGIServer) -> Iterator[int]:
    """Run a server in the context and return its port."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(folder: Path, access: Access) -> Iterator[Served]:
    """A dashboard of a small study."""
    database = small_study(folder / "h.db")
    with running(
        dashboard.make_server(str(database.engine.url.database), replace(access, port=0))
    ) as port:
        yield Served(port, database)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """`serve(Access(...))` is a dashboard that answers until the test ends."""
    with ExitStack() as opened:
        yield lambda access: opened.enter_context(serving(tmp_path, access))


@pytest.fixture
def browsing(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that knows no cookie yet."""
    context = chromium.new_context(accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def page(browsing: BrowserContext) -> Page:
    return browsing.new_page()


@pytest.fixture
def site() -> Iterator[Callable[[str], int]]:
    """`site(html)` is somebody's site with that page; its port."""
    opened = []

    def site(html: str) -> int:
        context = running(make_server("127.0.0.1", 0, _page(html)))
        opened.append(context)
        return context.__enter__()

    yield site
    for context in opened:
        context.__exit__(None, None, None)


def _page(html: str) -> WSGIApplication:
    def answer(_environment, start):
        start("200 OK", [("Content-Type", "text/html")])
        return [html.encode()]

    return answer


# Names


def hostile_study(database: Database) -> None:
    """A study in which every text runs a script if it is rendered as markup."""
    study = optuna.create_study(storage=database.storage, study_name=INJECTION)
    study.set_metric_names([INJECTION])
    study.set_user_attr(INJECTION, INJECTION)
    save_note(
        study,
        f"{INJECTION}\n\n[link](javascript:window.P=1)\n\n<iframe srcdoc='{INJECTION}'></iframe>",
    )
    distributions = {INJECTION: optuna.distributions.CategoricalDistribution([INJECTION, "b"])}
    for choice in (INJECTION, "b", INJECTION):
        trial = study.ask(distributions)
        trial.set_user_attr(INJECTION, INJECTION)
        save_note(trial, INJECTION)
        study.tell(trial, 0.5 + len(choice))
    assert choice == INJECTION


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard in which every name and note of a study is hostile."""
    with serving(tmp_path_factory.mktemp("hostile"), Access()) as served:
        hostile_study(served.database)
        yield served


@pytest.fixture(scope="module")
def reader(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that has the dashboard's scripts from the second page on."""
    context = chromium.new_context()
    yield context
    context.close()


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")  # names of metrics
@pytest.mark.parametrize("path", ["/studies/3", "/studies/3/trials", "/studies/3/note"])
def test_a_script_in_names_and_notes_does_not_run(
    hostile: Served, reader: BrowserContext, path: str
) -> None:
    asked: list[str] = []
    page = reader.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{hostile.address}/dashboard{path}")
    page.get_by_text("window.P=1").first.wait_for(state="attached")
    page.evaluate(ANOTHER_IMAGE_FAILED)
    assert page.evaluate("typeof window.P") == "undefined"
    assert not [frame for frame in page.frames if frame.evaluate("typeof window.P") != "undefined"]
    assert not [url for url in asked if not url.startswith((hostile.address, "data:", "blob:"))]
    page.close()


# Pages of others


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1"], ids=["another site", "another port of this machine"]
)
def test_a_page_of_another_origin_changes_and_reads_nothing(
    serve: Callable[..., Served], site: Callable[[str], int], page: Page, host: str
) -> None:
    served = serve(Access())
    page.goto(f"http://{host}:{site('attack')}/")
    assert page.evaluate(ATTACK, served.address) == ["blocked", "blocked", "blocked"]
    assert served.is_whole()


# Token


def test_a_browser_signs_in_with_the_token_and_keeps_no_more_than_a_cookie(
    serve: Callable[..., Served], page: Page, browsing: BrowserContext
) -> None:
    served = serve(Access(token=TOKEN))
    refused = page.goto(f"{served.address}/api/studies")
    assert refused is not None
    assert refused.status == 401
    page.get_by_label("needs its token").fill(TOKEN)
    page.get_by_role("button", name="Open").click()
    page.wait_for_url(f"{served.address}/study/small")
    page.get_by_role("link", name="hinet").first.wait_for()
    (cookie,) = browsing.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert TOKEN not in cookie["value"]
    assert page.evaluate("document.cookie") == ""


def test_a_link_with_the_token_signs_in_from_wherever_it_stands(
    serve: Callable[..., Served], site: Callable[[str], int], page: Page
) -> None:
    served = serve(Access(token=TOKEN))
    page.goto(
        f"http://mail.example:{site(f'<a href={served.address}/?token={TOKEN}>studies</a>')}/"
    )
    page.get_by_text("studies").click()
    page.wait_for_url(f"{served.address}/study/small")
    page.get_by_role("link", name="hinet").first.wait_for()


def test_who_signed_in_is_not_used_by_a_page_of_another_site(
    serve: Callable[..., Served], site: Callable[[str], int], page: Page
) -> None:
    served = serve(Access(token=TOKEN))
    page.goto(f"{served.address}/?token={TOKEN}")
    page.wait_for_url(f"{served.address}/study/small")
    page.goto(f"http://evil.example:{site('attack')}/")
    assert page.evaluate(ATTACK, served.address) == ["blocked", "blocked", "blocked"]
    assert served.is_whole()
