"""Pages: the live page of a study and the list of studies, as HTML; a study is not loaded again while it stands still."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jinja2 import PackageLoader
from markupsafe import Markup

from hinet_search.live import card
from hinet_search.live.listed import listed
from hinet_search.records import StudyRecord
from hinet_search.report.page import context, environment
from hinet_search.storage.engine import Database
from hinet_search.storage.listing import list_studies
from hinet_search.storage.load import load_record
from hinet_search.storage.pulse import Pulse, optuna_numbers, read_pulse

PERIOD_SECONDS = 10.0  # as in live.js
RESOLUTION_SECONDS = 1.0  # of the times in a record
SHARE = 0.1  # of one core, at most, goes into the page of a study that moves

_TEMPLATES = environment(PackageLoader("hinet_search.live"))
SCRIPTS = tuple(_TEMPLATES.get_template(name).render() for name in ("live.js", "script.js"))


@dataclass(frozen=True)
class _Made:
    """A page and the signs of life that it shows, by our clock: when these were first seen, when it was begun, and until
    when no newer one is made."""

    html: str
    signs: tuple[object, ...]
    seen: float
    began: float
    until: float

    def is_current(self, signs: tuple[object, ...], now: float) -> bool:
        """Whether it shows all there is: a study that was updated may be again within the second that `updated` tells."""
        settled = self.seen + RESOLUTION_SECONDS
        return signs == self.signs and (self.began >= settled or now < settled)


class Pages:
    """The pages over one database."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._made: dict[str, _Made] = {}
        self._making = threading.Lock()  # who asks while a page is made gets that one

    def names(self) -> tuple[str, ...]:
        """Studies, by name."""
        return tuple(study.name for study in list_studies(self._database))

    def studies(self) -> str:
        """The list of studies."""
        found = list_studies(self._database)
        title = f"{len(found)} studies" if found else "No studies yet"
        return _render("studies.html", title=title, studies=listed(found))

    def study(self, name: str) -> str:
        """The page of a study; ConfigurationError when the database has none of that name."""
        pulse = read_pulse(self._database, name)
        signs = _signs(pulse)
        with self._making:
            made, now = self._made.get(name), self._clock()
            if made is None or not (now < made.until or made.is_current(signs, now)):
                seen = made.seen if made is not None and made.signs == signs else now
                html, end = self._make(name, pulse), self._clock()
                made = self._made[name] = _Made(html, signs, seen, now, until=now + _pause(end - now))
        return made.html

    def _make(self, name: str, pulse: Pulse) -> str:
        return page_of(load_record(self._database, name), pulse.silent, optuna_numbers(self._database, name))


def page_of(record: StudyRecord, silent: float | None, optuna: Mapping[str, int]) -> str:
    """The live page of a record; `silent` and `optuna` are as in storage/pulse.py."""
    progress = None if record.state == "done" else card.build(record, silent, optuna)
    ribbon = card.ribbon(record, silent)
    return _render("live.html", **context(record), progress=progress, ribbon=ribbon, optuna=optuna)


def _pause(seconds: float) -> float:
    """How long a page that took so long to make stands for the study, where asking once a period is too often."""
    pause = seconds / SHARE
    return pause if pause > PERIOD_SECONDS else 0.0


def _signs(pulse: Pulse) -> tuple[object, ...]:
    """What a page shows of a pulse: while a study runs, nothing of when it was heard."""
    heard = None if pulse.state == "running" or pulse.silent is None else card.roughly(pulse.silent)
    return pulse.state, pulse.updated, pulse.evaluations, heard


def _render(template: str, **shown: object) -> str:
    scripts = [Markup(script) for script in SCRIPTS]  # noqa: S704  # files of this package
    return _TEMPLATES.get_template(template).render(**shown, scripts=scripts)
