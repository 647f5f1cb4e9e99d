"""Live pages: render them with a cache, and serve them at `/` and `/study/NAME`.

All other paths go to another application. The paths of optuna-dashboard (/dashboard, /api, /static,
/csv) are built into its script, so it keeps them; `/optuna/` redirects there.
"""

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from jinja2 import PackageLoader
from markupsafe import Markup

from hinet_search.common.errors import ConfigurationError
from hinet_search.dashboard import progress_card
from hinet_search.report import numbers, record_facts
from hinet_search.report.figures import bar
from hinet_search.report.html import column, head, join, prose, row, table, tag, unnamed, words
from hinet_search.report.page import context, environment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title
from hinet_search.storage.engine import Database
from hinet_search.storage.listing import ChangeMarker, list_studies, read_change_marker
from hinet_search.storage.load import load_record
from hinet_search.storage.optuna_copy import optuna_numbers
from hinet_search.storage.row_mapping import StudySummary

STUDY = "/study/"
OPTUNA = "/dashboard"
PERIOD_SECONDS = 10.0  # as in live.js
RESOLUTION_SECONDS = 1.0  # of the times in a record
SHARE = 0.1  # of one core, the most that is spent on the page of a changing study

_TEMPLATES = environment(PackageLoader("hinet_search.dashboard"))
SCRIPTS = tuple(_TEMPLATES.get_template(name).render() for name in ("live.js", "script.js"))
# Only these scripts run, by their hashes: a script injected into a page neither runs nor connects.
_DIGESTS = [hashlib.sha256(script.encode()).digest() for script in SCRIPTS]
_SOURCES = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in _DIGESTS)
POLICY = (
    f"default-src 'none'; script-src {_SOURCES}; style-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def study_page(name: str) -> str:
    """Return the path of the live page of a study."""
    return f"/study/{quote(name, safe='')}"


def listed(studies: Sequence[StudySummary]) -> Markup:
    """Return a row per study, or what to do if there is none."""
    if not studies:
        return tag("p", prose("Next: `hinet-search launch quickstart`"), class_="lead")
    best = column("Best on validation")
    header = head("Study", column("State"), unnamed("progress"), "Trials", best, "Updated (UTC)")
    rows = [_row(study) for study in studies]
    return table("Studies", header, rows, class_="search track")


def _row(study: StudySummary) -> Markup:
    if study.damage:
        link = tag("a", study.name, href=study_page(study.name))
        return row(link, words(study.state), "", "", words(study.damage), "")
    best: Markup | str = numbers.metric(None) if study.state == "done" else "none yet"
    if study.best_arm:
        objective = record_facts.metric_in_words(study.objective)
        value = tag("b", numbers.metric(study.best_value))
        best = join([value, f" {objective}, {title(study.best_arm)}"])
    return row(
        tag("a", study.name, href=study_page(study.name)),
        words(study.state),
        bar(study.done / max(study.budget, 1)),
        f"{study.done} of {study.budget}",
        words(best),
        study.updated[:16].replace("T", " "),
    )


@dataclass(frozen=True)
class _CachedPage:
    """A page, the change marker that it was rendered from, and times of this process's clock."""

    html: str
    marker: tuple[object, ...]
    seen: float  # when the marker was first seen
    began: float  # when rendering started
    until: float  # no newer page is rendered before

    def is_current(self, marker: tuple[object, ...], now: float) -> bool:
        """Whether the page is up to date.

        A study may change twice in the second that its `updated` resolves, so an unchanged marker
        is trusted only once the page was rendered after that second.
        """
        settled = self.seen + RESOLUTION_SECONDS
        return marker == self.marker and (self.began >= settled or now < settled)


class Pages:
    """The live pages of one database; safe for several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._cached: dict[str, _CachedPage] = {}
        self._rendering = threading.Lock()  # concurrent requests wait and get the same page

    def names(self) -> tuple[str, ...]:
        """Return the names of all studies."""
        return tuple(study.name for study in list_studies(self._database))

    def studies(self) -> str:
        """Render the list of studies."""
        studies = list_studies(self._database)
        title = f"{len(studies)} studies" if studies else "No studies yet"
        return _render("studies.html", title=title, studies=listed(studies))

    def study(self, name: str) -> str:
        """Return the page of a study; ConfigurationError if the database has none of that name."""
        change_marker = read_change_marker(self._database, name)
        marker = _marker(change_marker)
        with self._rendering:
            page = self._cached.get(name)
            now = self._clock()
            if page is None or not (now < page.until or page.is_current(marker, now)):
                seen = page.seen if page is not None and page.marker == marker else now
                silent = change_marker.seconds_since_heartbeat
                optuna = optuna_numbers(self._database, name)
                left = change_marker.seconds_left
                html = page_of(load_record(self._database, name), silent, optuna, left)
                pause = (self._clock() - now) / SHARE
                until = now + pause if pause > PERIOD_SECONDS else now
                page = self._cached[name] = _CachedPage(html, marker, seen, began=now, until=until)
        return page.html


def page_of(
    record: StudyRecord,
    silent: float | None,
    optuna: Mapping[str, int],
    left: float | None = None,
) -> str:
    """Render the live page of a record; the rest is as in progress_card.py."""
    progress = None
    if record.state != "done":
        progress = progress_card.build(record, silent, optuna, left)
    ribbon = progress_card.ribbon(record, silent)
    return _render("live.html", **context(record), progress=progress, ribbon=ribbon, optuna=optuna)


def _marker(change_marker: ChangeMarker) -> tuple[object, ...]:
    """Return what a page shows of its study; a running study's page does not show its heartbeat."""
    silent = None
    if change_marker.state != "running" and change_marker.seconds_since_heartbeat is not None:
        silent = progress_card.roughly(change_marker.seconds_since_heartbeat)
    return change_marker.state, change_marker.updated, change_marker.evaluations, silent


def _render(template: str, **variables: object) -> str:
    scripts = [Markup(script) for script in SCRIPTS]  # noqa: S704  # files of this package
    return _TEMPLATES.get_template(template).render(**variables, scripts=scripts)


def with_live_pages(database: Database, others: WSGIApplication) -> WSGIApplication:
    """Serve the live pages of the database's studies, and all other paths by `others`."""
    pages = Pages(database)

    def application(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path in ("/optuna", "/optuna/"):
            return _redirect(OPTUNA, start)
        if path != "/" and not path.startswith(STUDY):
            return others(environment, start)
        try:
            names = pages.names() if path == "/" else ()
            if len(names) == 1:
                return _redirect(study_page(names[0]), start)
            html = pages.studies() if path == "/" else pages.study(path.removeprefix(STUDY))
        except ConfigurationError as error:
            text = f"{error}\n".encode()
            kind = ("Content-Type", "text/plain; charset=utf-8")
            start("404 Not Found", [kind, ("Content-Length", str(len(text)))])
            return [text]
        return _page(html.encode(), environment, start)

    return application


def _page(body: bytes, environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """Answer with a page, or with 304 if the client has it already."""
    version = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = [
        ("ETag", version),
        ("Cache-Control", "no-cache"),
        ("Content-Security-Policy", POLICY),
    ]
    if environment.get("HTTP_IF_NONE_MATCH") == version:
        start("304 Not Modified", headers)
        return []
    content = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]
    start("200 OK", [*content, *headers])
    return [] if environment["REQUEST_METHOD"] == "HEAD" else [body]


def _redirect(address: str, start: StartResponse) -> Iterable[bytes]:
    start("302 Found", [("Location", address), ("Content-Length", "0")])
    return []
