"""Partners on nodes: where the leader of a team listens, and what a node must have."""

import os
from collections.abc import Iterator

import pytest

from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors import Partners
from hinet_search.executors.processes.environment import NODE_ADDRESS
from hinet_search.training.jobs.node_partners import team_over_nodes
from hinet_search.training.jobs.parts_of_work import INTERFACE
from tests.security.processes import listening
from tests.training.fake_models import CPU

ELSEWHERE = "192.0.2.7"  # of no machine: RFC 5737


@pytest.fixture(autouse=True)
def _on_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(NODE_ADDRESS, "127.0.0.1")
    monkeypatch.setenv(INTERFACE, "")  # so that it is unset afterwards
    monkeypatch.delenv(INTERFACE)
    yield
    os.environ.pop(INTERFACE, None)


def test_a_leader_listens_at_the_address_of_its_node_and_nowhere_else() -> None:
    before = listening(os.getpid())
    emitted: list[object] = []
    with team_over_nodes(1, CPU, print, emitted.append) as team:
        assert team.is_leader
        opened = set(listening(os.getpid())) - set(before)
    assert opened
    assert all(address.startswith("tcp 0100007F:") for address in opened)
    (partners,) = emitted
    assert isinstance(partners, Partners)
    assert partners.payloads == ()


def test_a_node_without_the_address_that_ray_has_of_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NODE_ADDRESS, ELSEWHERE)
    with (
        pytest.raises(EnvironmentFault, match=f"no network interface .* address {ELSEWHERE}"),
        team_over_nodes(2, CPU, print, pytest.fail),
    ):
        pass


def test_a_node_may_name_its_interface_but_must_have_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NODE_ADDRESS, ELSEWHERE)
    monkeypatch.setenv(INTERFACE, "lo")
    with (
        pytest.raises(EnvironmentFault, match=f"must listen at .*{ELSEWHERE}, but cannot"),
        team_over_nodes(2, CPU, print, pytest.fail),
    ):
        pass
