"""What a notebook shows: the progress of a launch, and the report in a frame of its own."""

import html
import re
import sys
from dataclasses import dataclass, field, replace
from types import ModuleType, SimpleNamespace

import pytest

from hinet_search import api
from hinet_search.common.errors import ConfigurationError
from hinet_search.report.page import render
from hinet_search.report.sections import NotApplicable
from hinet_search.search import notebook_progress
from hinet_search.search.notebook_progress import NotebookProgress, progress_html, watching
from hinet_search.search.progress import ArmProgress, Event, NullWatcher, Progress
from tests.report.conftest import Open
from tests.report.studies import empty, small


@dataclass
class Displayed:
    """Everything shown so far; each output is the list of its versions, as HTML."""

    outputs: list[list[str]] = field(default_factory=list)

    def display(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> SimpleNamespace:
        assert raw
        assert display_id
        versions = [bundle["text/html"]]
        self.outputs.append(versions)
        return SimpleNamespace(update=lambda bundle, raw: versions.append(bundle["text/html"]))


def in_a_notebook(patch: pytest.MonkeyPatch, **shell: object) -> Displayed:
    """Let this process be the kernel of a notebook, or a shell with other attributes."""
    displayed = Displayed()
    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(**(shell or {"kernel": object()}))  # type: ignore[attr-defined]
    ipython.display = module  # type: ignore[attr-defined]
    module.display = displayed.display  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "IPython", ipython)
    patch.setitem(sys.modules, "IPython.display", module)
    return displayed


def progress(name: str = "shop") -> Progress:
    arms = {
        "hinet": ArmProgress("hinet", 8, done=3, pruned=1, failed=0, best=0.7123, best_trial=2),
        "mmoe": ArmProgress("mmoe", 8),
    }
    return Progress(name, slots=2, device="cpu", epochs=4, arms=arms, seconds=75)


def test_the_counters_of_every_arm_are_shown() -> None:
    shown = progress_html(progress(), [])
    assert "<b>shop</b>, 2 slots on cpu, 1 m 15 s" in shown
    row = shown.split("<tr>")[2]
    assert re.findall(r"<td>(.*?)</td>", row)[:3] == ["hinet", "0.7123", "2"]
    assert '<progress value="4" max="8">' in row


def test_all_texts_of_the_progress_are_escaped() -> None:
    events = [Event("retry", "<b>out of memory</b>")]
    shown = progress_html(replace(progress("<i>"), last_retry="<u>", retried=1), events)
    assert re.search(r"<(i>|u>|b>out)", shown) is None


def test_a_notebook_shows_one_output_that_is_redrawn_at_most_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    displayed = in_a_notebook(monkeypatch)
    clock = [10.0]
    monkeypatch.setattr(notebook_progress.time, "monotonic", lambda: clock[0])
    watcher = NotebookProgress()
    for second in (10.0, 10.4, 10.9, 11.1):
        clock[0] = second
        watcher.tick(progress())
    assert [len(versions) for versions in displayed.outputs] == [2]


def test_events_are_shown_below_unless_the_table_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed = in_a_notebook(monkeypatch)
    with watching(None) as watcher:
        watcher.event(Event("retry", "hinet/3 again"))
        watcher.event(Event("best", "hinet/4 0.7200"))
        watcher.tick(progress())
    assert "hinet/3 again" in displayed.outputs[0][-1]
    assert "hinet/4" not in displayed.outputs[0][-1]


def test_the_last_state_is_drawn_also_if_the_launch_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed = in_a_notebook(monkeypatch)

    def failing_launch() -> None:
        with watching(None) as watcher:
            watcher.tick(progress())
            watcher.tick(progress("later"))
            raise ConfigurationError("wrong")

    with pytest.raises(ConfigurationError):
        failing_launch()
    assert "<b>later</b>" in displayed.outputs[0][-1]


def test_a_script_and_a_terminal_print_lines_and_a_given_watcher_watches_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with watching(None) as of_script:
        of_script.event(Event("best", "hinet/3 0.7641"))
    displayed = in_a_notebook(monkeypatch, colors="of a shell in a terminal")
    with watching(None) as of_terminal:
        of_terminal.event(Event("best", "hinet/4 0.7700"))
    of_both = capsys.readouterr().err.splitlines()
    assert [line.split()[1:] for line in of_both] == [
        ["best", "hinet/3", "0.7641"],
        ["best", "hinet/4", "0.7700"],
    ]
    mine = NullWatcher()
    in_a_notebook(monkeypatch)
    with watching(mine) as given:
        assert given is mine
    assert displayed.outputs == []


def test_a_launch_in_a_notebook_says_what_it_prepares(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed = in_a_notebook(monkeypatch)

    def ready(study: str, options: object, say: object) -> None:
        say("encoding 4,000 rows")  # type: ignore[operator]

    monkeypatch.setattr(api, "ready", ready)
    monkeypatch.setattr(api, "launch_ready", lambda *_: small())
    api.launch("shop")
    assert "encoding 4,000 rows" in displayed.outputs[0][0]


def test_a_report_is_shown_as_a_page_of_its_own_that_keeps_its_policy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    displayed = in_a_notebook(monkeypatch)
    record = replace(small(), name='"><script>')
    record.show(height=500)
    ((shown,),) = displayed.outputs
    page = html.unescape(re.findall(r'srcdoc="([^"]*)"', shown)[0])
    assert page == render(record)
    assert "default-src &#x27;none&#x27;" in shown
    assert "height:500px" in shown
    assert "<script" not in shown
    assert re.findall(r'sandbox="([^"]*)"', shown) == ["allow-scripts allow-downloads"]


def test_a_card_of_the_report_is_shown_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed = in_a_notebook(monkeypatch)
    small().show("ranges")
    page = html.unescape(displayed.outputs[0][0])
    assert 'aria-label="Best values of' in page
    assert 'id="budget-curves"' not in page
    with pytest.raises(ConfigurationError, match="did you mean 'ranges'"):
        small().show("rangse")
    with pytest.raises(NotApplicable, match="needs a finished trial"):
        empty().show("top_trials")


def test_a_script_that_shows_a_report_is_told_the_command() -> None:
    with pytest.raises(ConfigurationError, match="this process runs none") as error:
        small().show()
    assert error.value.remedy == f"hinet-search report {small().name} --open"


@pytest.mark.browser
def test_the_shown_report_works_in_its_frame(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    displayed = in_a_notebook(monkeypatch)
    small().show()
    opened = open_page(f"<!doctype html><title>notebook</title>{displayed.outputs[0][0]}")
    inside = opened.page.frame_locator("iframe")
    inside.locator("#theme").click()
    assert inside.locator("html[data-theme=dark]").count() == 1
    assert (opened.requests, opened.complaints) == ([opened.page.url], [])
