"""Dashboard: what it shows, and what it refuses."""

import json
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import optuna
import pytest

from hinet_search.common.errors import EnvironmentFault
from hinet_search.dashboard.access import Access
from hinet_search.dashboard.server import make_server
from hinet_search.storage.engine import Database, connect
from tests.dashboard.served import serving
from tests.storage.small_study import small_study


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return small_study(tmp_path_factory.mktemp("dashboard") / "h.db")


@pytest.fixture(scope="module")
def port(database: Database) -> Iterator[int]:
    with serving(str(database.engine.url.database)) as port:
        yield port


def test_the_page_loads_with_its_script(port: int) -> None:
    with _ask(port, "GET", "/dashboard") as page:
        assert page.status == 200
        assert b"/static/bundle.js" in page.read()
    with _ask(port, "GET", "/static/bundle.js") as script:
        assert script.status == 200
        assert len(script.read()) > 100_000


def test_a_client_that_names_no_encoding_gets_the_script_too(port: int) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.putrequest("GET", "/static/bundle.js", skip_accept_encoding=True)
        connection.endheaders()
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("path", ["/optuna", "/optuna/"])
def test_optunas_dashboard_is_found_under_its_name(port: int, path: str) -> None:
    with _ask(port, "GET", path) as response:
        assert (response.status, response.headers["Location"]) == (302, "/dashboard")


def test_every_arm_is_listed_as_a_study_of_its_own(port: int) -> None:
    with _ask(port, "GET", "/api/studies") as response:
        studies = json.load(response)["study_summaries"]
    assert [study["study_name"] for study in studies] == ["small/hinet", "small/single"]


def test_an_arms_page_has_its_trials_and_the_objectives_name(port: int) -> None:
    with _ask(port, "GET", "/api/studies/1") as response:
        study = json.load(response)
    assert [trial["state"] for trial in study["trials"]] == [
        "Complete",
        "Complete",
        "Pruned",
        "Pruned",
        "Fail",
    ]
    assert study["objective_names"] == ["mean_auc"]


def test_requests_leave_no_line_on_the_terminal(
    port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with _ask(port, "GET", "/api/meta") as response:
        response.read()
    assert capfd.readouterr() == ("", "")


def test_a_request_that_optunas_dashboard_cannot_read_costs_a_line_and_no_traceback(
    database: Database, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("optuna_dashboard"), "handlers", [])
    with (
        serving(str(database.engine.url.database)) as port,
        _ask(port, "GET", "/api/studies/1?after=%1b[31m") as response,
    ):
        assert (response.status, response.headers["Content-Type"]) == (500, "application/json")
        assert b"this could not be answered: ValueError" in response.read()
    assert capfd.readouterr().err == (
        "optuna-dashboard: Exception: invalid literal for int() with base 10: '\\x1b[31m'\n"
    )


def test_it_listens_on_loopback_of_ipv6_where_asked(database: Database) -> None:
    with make_server(str(database.engine.url.database), Access("::1", port=0)) as server:
        assert server.server_address[0] == "::1"


def test_what_only_reads_cannot_write_even_past_the_guard(database: Database) -> None:
    reader = connect(str(database.engine.url.database))
    with pytest.raises(EnvironmentFault, match="readonly"), reader.guarded():
        reader.storage.delete_study(1)
    assert len(database.storage.get_all_studies()) == 2


def test_no_cell_of_a_csv_answer_is_a_formula(tmp_path: Path) -> None:
    database = small_study(tmp_path / "h.db")
    study = optuna.create_study(storage=database.storage, study_name="foreign")
    trial = optuna.trial.create_trial(
        value=-0.5,
        params={"x": "=cmd|'/c calc'!A0"},
        distributions={"x": optuna.distributions.CategoricalDistribution(["=cmd|'/c calc'!A0"])},
        user_attrs={"note": "@SUM(1)"},
    )
    study.add_trial(trial)
    with serving(str(database.engine.url.database)) as port, _ask(port, "GET", "/csv/3") as answer:
        assert answer.headers["Content-Disposition"] == "attachment; filename=foreign.csv"
        assert (
            answer.read().decode().splitlines()[1] == "0,COMPLETE,-0.5,'=cmd|'/c calc'!A0,'@SUM(1)"
        )


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/studies/1"])
def test_every_page_of_optuna_has_a_way_back_to_ours(port: int, path: str) -> None:
    with _ask(port, "GET", path) as answer:
        page = answer.read()
        assert answer.headers["Content-Length"] == str(len(page))
    assert page.count(b"Back to hinet-search</a></body>") == 1


def test_a_port_that_is_taken_is_named_with_the_remedy(port: int, database: Database) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        make_server(str(database.engine.url.database), Access(port=port))
    assert str(caught.value) == (
        f"port {port} of 127.0.0.1 cannot be used: another program listens there\nchoose another one with --port"
    )
    assert caught.value.exit_code == 4


def test_a_port_out_of_range_is_refused(database: Database) -> None:
    with pytest.raises(EnvironmentFault, match="port 70000 of"):
        make_server(str(database.engine.url.database), Access(port=70_000))


@contextmanager
def _ask(port: int, method: str, path: str, host: str | None = None) -> Iterator[HTTPResponse]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(
            method, path, headers={"Host": f"127.0.0.1:{port}" if host is None else host}
        )
        yield connection.getresponse()
