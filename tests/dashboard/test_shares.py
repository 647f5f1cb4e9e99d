"""Shares: the client that holds the most gives up its oldest."""

from collections.abc import Callable

from hinet_search.dashboard.server import Shares


def giving(given_up: list[str], name: str, *, can: bool = True) -> Callable[[], bool]:
    """Note what is given up, if it can be."""

    def give_up() -> bool:
        if can:
            given_up.append(name)
        return can

    return give_up


def test_the_client_that_holds_the_most_gives_up_its_oldest() -> None:
    shares, given_up = Shares(4), list[str]()
    for name in ("b1", "a1", "a2", "a3", "c1", "a4"):
        assert shares.hold(name[0], giving(given_up, name)) is not None
    assert given_up == ["a1", "a2"]


def test_what_is_released_makes_room() -> None:
    shares, given_up = Shares(1), list[str]()
    key = shares.hold("a", giving(given_up, "a"))
    shares.release(key)
    shares.release(key)
    shares.hold("b", giving(given_up, "b"))
    assert given_up == []


def test_what_cannot_be_given_up_stays_and_the_next_is() -> None:
    shares, given_up = Shares(2), list[str]()
    shares.hold("a", giving(given_up, "a1", can=False))
    shares.hold("a", giving(given_up, "a2"))
    assert shares.hold("b", giving(given_up, "b1", can=False)) is not None
    assert shares.hold("c", giving(given_up, "c1")) is None
    assert given_up == ["a2"]
