"""Faults of the dashboard: 503 and words while the database is away, words for the rest, and slow clients give way."""

import socket
from collections import Counter
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any

import optuna
import pytest

from hinet_search.dashboard import server as dashboard
from hinet_search.dashboard.faults import with_words
from hinet_search.storage.engine import connect
from tests.dashboard.served import serving
from tests.postgres import emptied, stop
from tests.storage.small_study import new_store, small_study
from tests.waiting import LIMIT_SECONDS, wait_until

PATHS = ("/", "/study/small", "/api/studies", "/api/studies/1", "/csv/1", "/dashboard", "/api/meta")
Answer = tuple[int, dict[str, str], str]


def ask(port: int, path: str) -> Answer:
    with closing(HTTPConnection("127.0.0.1", port, timeout=LIMIT_SECONDS)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read().decode()


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    """A connection to a port of this machine, without a delay of small parts."""
    client = socket.create_connection(
        ("127.0.0.1", port), timeout=LIMIT_SECONDS, source_address=(source, 0)
    )
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def is_closed(client: socket.socket) -> bool:
    """Whether the server closes the connection, after what it has sent."""
    with suppress(ConnectionError):
        while client.recv(65_536):
            pass
    return True


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("dashboard") / "h.db"
    small_study(file).close()
    return str(file)


@pytest.mark.postgres
def test_while_the_database_restarts_every_page_says_so_and_none_answers_500(
    postgres: Any,
) -> None:
    url = f"postgresql+psycopg{emptied(postgres).removeprefix('postgresql')}"
    new_store(url).database.close()
    answers: list[Answer] = []
    is_over = Event()

    def keep_asking(port: int, path: str) -> None:
        while not is_over.is_set():
            answers.append(ask(port, path))

    with serving(url) as port:
        askers = [Thread(target=keep_asking, args=(port, path)) for path in PATHS]
        for asker in askers:
            asker.start()
        try:
            wait_until(lambda: len(answers) > 50)
            stop(postgres, "fast")
            wait_until(lambda: sum(status == 503 for status, *_ in answers) > 50)
            postgres.start()
            wait_until(lambda: all(ask(port, path)[0] < 500 for path in PATHS))
        finally:
            is_over.set()
            for asker in askers:
                asker.join()
    statuses = Counter(status for status, *_ in answers)
    assert set(statuses) <= {200, 302, 404, 503}, statuses  # 404: an arm without a trial
    for status, headers, text in answers:
        if status == 503:
            assert headers["Retry-After"] == "5"
            assert "is not usable: " in text
            assert "check that it runs" in text


def test_what_fails_otherwise_is_said_without_a_traceback(url: str) -> None:
    lines: list[str] = []

    def failing(_environment: object, _start: object) -> list[bytes]:
        raise KeyError("postgresql://ann:secret@db.example/studies")

    started: list[Any] = []
    answer = with_words(connect(url), failing, lines.append)(
        {"PATH_INFO": "/study/small", "REQUEST_METHOD": "GET"},
        lambda *given: started.append(given),  # type: ignore[arg-type, func-returns-value]
    )
    assert started[0][0] == "500 Internal Server Error"
    assert b"".join(answer) == (
        b"this could not be answered: KeyError; the dashboard's log has a line\n"
    )
    assert lines == ["a request failed: KeyError: 'postgresql://ann:***@db.example/studies'"]


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost:", b"POST / HTTP/1.1\r\n"])
def test_unfinished_requests_do_not_block_the_dashboard(
    url: str, monkeypatch: pytest.MonkeyPatch, sent: bytes, source: str
) -> None:
    monkeypatch.setattr(dashboard, "MOST_CONNECTIONS", 8)
    with serving(url) as port, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connected(port)).sendall(sent)
        client = stack.enter_context(connected(port, source))
        client.sendall(f"GET /api/meta HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert client.recv(15) == b"HTTP/1.0 200 OK"


def test_a_request_that_is_sent_byte_by_byte_is_given_up_in_the_end(
    url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each byte comes in time, the whole request does not."""
    monkeypatch.setattr(dashboard, "REQUEST_SECONDS", 0.3)
    with serving(url) as port, connected(port) as client:
        sender, is_over = Thread(target=lambda: _drip(client, is_over)), Event()
        sender.start()
        assert is_closed(client)
        is_over.set()
        sender.join()
    assert capfd.readouterr().err == ""


def _drip(client: socket.socket, is_over: Event) -> None:
    with suppress(OSError):
        while not is_over.wait(0.02):
            client.sendall(b"G")


def test_two_hosts_are_refused(url: str) -> None:
    with serving(url) as port, connected(port) as client:
        client.sendall(
            f"GET / HTTP/1.1\r\n{2 * f'Host: 127.0.0.1:{port}{chr(13)}{chr(10)}'}\r\n".encode()
        )
        assert client.recv(65_536).startswith(b"HTTP/1.0 400 Bad Request")


def test_an_answer_to_no_request_is_no_page(url: str) -> None:
    with serving(url) as port, connected(port) as client:
        client.sendall(b"<script>alert(1)</script> x y z\r\n\r\n")
        answer = client.recv(65_536)
    assert answer == b"this is no request that the dashboard answers\n"


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("studies", "study_name = 'two' || char(10) || 'lines' WHERE study_id = 1"),
        ("studies", "study_name = x'fffe' WHERE study_id = 1"),
        ("trial_user_attributes", "value_json = 'no JSON'"),
        ("trial_user_attributes", """value_json = '"\\ud800"'"""),
    ],
)
def test_odd_texts_of_optunas_tables_are_told_where_no_csv_file_can_hold_them(
    table: str, changes: str, tmp_path: Path
) -> None:
    database = small_study(tmp_path / "h.db")
    study = optuna.load_study(storage=database.storage, study_name="small/hinet")
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={"note": "good"}))
    with database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {table} SET {changes}")
    with serving(str(tmp_path / "h.db")) as port:
        status, _, text = ask(port, "/csv/1")
    assert status == 422
    assert text.startswith("no CSV file can hold this study: in Optuna's tables its name has ")
