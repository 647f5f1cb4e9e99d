"""Names of studies: plain ones pass, hostile ones are refused before anything is made."""

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.study.load_study import check_study_name


@pytest.mark.parametrize("name", ["a", "7", "kuairand-2.v1_b", "x" * 64])
def test_a_plain_study_name_is_taken_as_it_is(name: str) -> None:
    check_study_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../up",
        "a/b",
        ".hidden",
        "-flag",
        "a b",
        "a\n",
        "a\0",
        "<script>",
        "é",
        "x" * 65,
        "x" * 10_000,
        "a%",
        "=1",
    ],
)
def test_a_hostile_study_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="must be 1 to 64 of A-Z a-z 0-9"):
        check_study_name(name)


def test_the_refusal_of_a_long_hostile_name_is_short_and_printable() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_study_name("\0\x1b" * 5000)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()
