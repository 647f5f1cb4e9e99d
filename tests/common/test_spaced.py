"""Long work says how far it is, short work says nothing."""

import pytest

from hinet_search.common import spaced
from hinet_search.common.spaced import told


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(spaced.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize(
    ("seconds_each", "lines"),
    [
        (1.0, []),
        (4.0, ["graphs: 3 of 6"]),
        (
            10.0,
            [
                "graphs: 1 of 6",
                "graphs: 2 of 6",
                "graphs: 3 of 6",
                "graphs: 4 of 6",
                "graphs: 5 of 6",
            ],
        ),
    ],
)
def test_a_line_is_said_every_ten_seconds(
    clock: Clock, seconds_each: float, lines: list[str]
) -> None:
    said: list[str] = []
    parts = []
    for part in told("graphs", "abcdef", said.append):
        parts.append(part)
        clock.now += seconds_each
    assert parts == list("abcdef")
    assert said == lines
