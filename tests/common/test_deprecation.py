"""Deprecation: a name warns as long as it works, and is gone when its release is there."""

from importlib.metadata import version
from pathlib import Path

import pytest

from hinet_search.common.gone import DEPRECATED, GONE, Deprecation, overdue, warn_of

NAMES = {"slots": Deprecation(since="1.2", gone_in="2.0", instead="use workers_per_device")}
PACKAGE = Path(__file__).parents[2] / "hinet_search"


def test_no_name_is_still_there_after_its_release() -> None:
    assert overdue(DEPRECATED, version("hinet-search")) == ()


@pytest.mark.parametrize(
    ("release", "names"),
    [
        ("1.2.0", ()),
        ("1.19.3", ()),
        ("2.0.0", ("slots",)),
        ("2.1.0", ("slots",)),
        ("10.0.0", ("slots",)),
    ],
)
def test_a_name_is_overdue_from_its_release_on(release: str, names: tuple[str, ...]) -> None:
    assert overdue(NAMES, release) == names


def test_a_deprecated_name_warns_its_users_at_their_own_line() -> None:
    def accepts_slots() -> None:
        warn_of("slots", NAMES)

    words = "'slots' is deprecated since 1.2 and is gone in 2.0: use workers_per_device"
    with pytest.warns(FutureWarning, match=words) as caught:
        accepts_slots()
    assert caught[0].filename == __file__


def test_every_deprecated_name_warns_somewhere_and_is_not_gone_yet() -> None:
    source = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    for name in DEPRECATED:
        assert f'warn_of("{name}")' in source
        assert name not in GONE
