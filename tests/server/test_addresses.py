"""The other addresses of the server, and whom it admits."""

import hashlib
import re
from base64 import b64encode
from pathlib import Path

import pytest

from hinet_search.server.settings import Listening
from tests.server.conftest import GOOD, Asked, Make
from tests.serving.requests.exported import write_export

TOKEN = "a-token-of-some-length"
WITH_TOKEN = Listening("10.0.0.5", 8000, TOKEN)
ADDRESSES = ("/health", "/ready", "/model", "/metrics", "/docs", "/openapi.json")


@pytest.mark.parametrize("path", ADDRESSES)
def test_an_address_answers(path: str, server: Asked) -> None:
    assert server.ask(path).status_code == 200


def test_the_server_is_alive_before_it_is_ready(make: Make) -> None:
    server = make(load=False)
    assert server.ask("/health").json() == {"status": "alive"}
    assert server.ask("/ready").status_code == 503
    server.service.current.load()
    ready = server.ask("/ready")
    assert ready.status_code == 200
    assert ready.json()["model"] == "shop/shared_bottom"


def test_the_model_is_described(server: Asked) -> None:
    facts = server.ask("/model").json()
    assert facts["tasks"] == ["click", "buy"]
    assert facts["scenarios"] == ["Home", "Push", "Cart"]
    assert facts["columns"] == {
        "place": "a scenario of the model: '1', '2', '3'",
        "user": "whole numbers as in training",
        "item": "text as in training",
        "price": "numbers",
        "age": "numbers",
    }
    assert facts["card"] == "# shop"
    assert facts["version"] == server.ask("/ready").json()["version"]


def test_the_description_says_which_tasks_have_amounts(make: Make, tmp_path: Path) -> None:
    server = make(write_export(tmp_path / "model", amount_units={"buy": 37.5}))
    assert server.ask("/model").json()["amount_units"] == {"buy": 37.5}
    assert "probability (of buy the expected amount) of every task" in server.ask("/docs").text


def test_the_card_is_that_of_the_model_which_answers(make: Make, tmp_path: Path) -> None:
    server = make(write_export(tmp_path / "model"))
    (tmp_path / "model" / "card.md").write_text("# of another model", encoding="utf-8")
    assert server.ask("/model").json()["card"] == "# shop"


def test_the_model_that_answers_is_a_metric(server: Asked) -> None:
    version = server.ask("/ready").json()["version"]
    labels = f'name="shared_bottom",study="shop",version="{version}"'
    assert server.metric(f"hinet_search_model_info{{{labels}}}") == 1
    assert server.metric("hinet_search_model_loaded_timestamp_seconds") > 1.7e9


def test_the_page_loads_nothing_and_its_policy_admits_its_own_style_alone(server: Asked) -> None:
    reply = server.ask("/docs")
    (style,) = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert not re.search(r"<script|<link|<img|src=|url\(|@import", reply.text)


def test_the_page_has_a_request_that_the_server_takes(server: Asked) -> None:
    page = server.ask("/docs").text.replace("&#34;", '"').replace("&#39;", "'")
    (content,) = re.findall(r"-d '(.*?)'</pre>", page)
    headers = {"Content-Type": "application/json"}
    assert server.ask("/score", "POST", content=content, headers=headers).status_code == 200


def test_the_interface_for_programs_describes_both_forms_and_every_refusal(server: Asked) -> None:
    post = server.ask("/openapi.json").json()["paths"]["/score"]["post"]
    forms = post["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [form["required"] for form in forms] == [["rows"], ["columns"]]
    assert {"200", "400", "401", "403", "413", "415", "422", "500", "503"} <= set(post["responses"])


@pytest.mark.parametrize(
    ("path", "method", "status", "problem"),
    [
        ("/scores", "POST", 404, "'/scores' is no address of this server; did you mean '/score'?"),
        ("/score", "GET", 405, "/score does not take GET"),
    ],
)
def test_another_address_or_method_is_named(
    path: str, method: str, status: int, problem: str, server: Asked
) -> None:
    reply = server.ask(path, method)
    assert (reply.status_code, reply.json()["problems"]) == (status, [problem])


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8000", 200), ("localhost:8000", 200), ("evil.example", 403), ("127.0.0.1", 403)],
)
def test_without_a_token_the_host_must_be_its_own(host: str, status: int, server: Asked) -> None:
    assert server.score(GOOD, headers={"Host": host}).status_code == status


@pytest.mark.parametrize("path", ["/score", "/model", "/metrics", "/docs", "/openapi.json", "/x"])
def test_with_a_token_a_request_without_it_is_denied(path: str, make: Make) -> None:
    server = make(listening=WITH_TOKEN)
    reply = server.ask(path, headers={"Authorization": "Bearer another-token-of-length"})
    assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert server.metric('hinet_search_requests_total{outcome="denied"}') == 1


def test_with_the_token_any_host_is_admitted(make: Make) -> None:
    server = make(listening=WITH_TOKEN)
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "scores.example"}
    assert server.score(GOOD, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_checks_need_no_token(path: str, make: Make) -> None:
    assert make(listening=WITH_TOKEN).ask(path).status_code == 200


@pytest.mark.parametrize("path", ["/score", "/health", "/docs", "/x"])
def test_no_answer_may_be_framed_sniffed_or_cached(path: str, server: Asked) -> None:
    headers = server.ask(path).headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].endswith("'none'")
    assert "Access-Control-Allow-Origin" not in headers
