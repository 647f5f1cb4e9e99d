"""Every error a user may meet has one root, an exit code, and lines of problems."""

import pytest

from hinet_search.common import errors
from hinet_search.common.errors import (
    HinetSearchError,
    Interrupted,
    did_you_mean,
    hide_passwords,
    shortened,
)

CODES = {
    errors.HinetSearchError: 1,
    errors.ConfigurationError: 2,
    errors.DataError: 3,
    errors.EnvironmentFault: 4,
    errors.TransientError: 4,
    errors.DatabaseAway: 4,
    errors.DiskFull: 4,
    errors.StudyConflict: 5,
    errors.AllTrialsFailed: 6,
}


@pytest.mark.parametrize("kind", CODES)
def test_a_kind_of_error_has_its_exit_code(kind: type[HinetSearchError]) -> None:
    assert kind("wrong").exit_code == CODES[kind]


def test_every_error_class_descends_from_the_root() -> None:
    classes = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    ]
    written = {kind for kind in classes if issubclass(kind, BaseException)}
    assert written == {*CODES, Interrupted}
    assert all(issubclass(kind, HinetSearchError) for kind in written)


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_an_interruption_exits_as_shells_expect_of_its_signal(number: int, code: int) -> None:
    assert Interrupted("stopped", signal_number=number).exit_code == code


def test_the_text_of_an_error_is_its_problems_and_then_the_remedy() -> None:
    error = HinetSearchError("one", "two", remedy="do this")
    assert str(error) == "one\ntwo\ndo this"
    assert (error.problems, error.remedy) == (("one", "two"), "do this")


def test_an_error_without_remedy_ends_with_its_problems() -> None:
    assert str(HinetSearchError("one")) == "one"


def test_the_nearest_known_word_is_offered() -> None:
    assert did_you_mean("epohcs", ["passes", "epochs", "epoch_size"]) == "; did you mean 'epochs'?"


@pytest.mark.parametrize(
    ("word", "offer"),
    [
        ("train.lr", ""),
        ("train.clip_nrom", "; did you mean 'train.clip_norm'?"),
        ("model.sna.top_k", "; did you mean 'model.san.top_k'?"),
        ("model.wdths", "; did you mean 'model.widths'?"),
        ("top_k", "; did you mean 'model.san.top_k'?"),
    ],
)
def test_a_dotted_name_is_offered_when_its_last_part_is_like_the_word(
    word: str, offer: str
) -> None:
    known = [
        "train.clip_norm",
        "train.learning_rate",
        "train.widths",
        "model.widths",
        "model.san.top_k",
    ]
    assert did_you_mean(word, known) == offer


def test_a_word_like_no_known_one_gets_no_offer() -> None:
    assert did_you_mean("zzz", ["passes", "epochs"]) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ann:s3@cret@server/x", "http://ann:***@server/x"),
        ("http://ann:s3/cret@server/x", "http://ann:***@server/x"),
        ("no answer from https://t0ken@server: reset", "no answer from https://***@server: reset"),
        ("uri: 'http://ann:pass@server', name: x", "uri: 'http://ann:***@server', name: x"),
        ("ann:pass@server", "ann:***@server"),
        ("postgresql://db/x?password=pass&y=1", "postgresql://db/x?password=***&y=1"),
        ("postgresql://ann@db/x, s.yaml:3:1: a", "postgresql://ann@db/x, s.yaml:3:1: a"),
        ("http://server:5000/x", "http://server:5000/x"),
    ],
)
def test_the_password_of_a_url_is_hidden_whatever_its_signs(text: str, shown: str) -> None:
    assert hide_passwords(text) == shown


def test_no_error_repeats_the_password_of_a_value_that_it_quotes() -> None:
    url, masked = "http://ann:pass@server", "http://ann:***@server"
    error = HinetSearchError(f"got '{url}'", remedy=f"launch {url}")
    assert (error.problems, error.remedy) == ((f"got '{masked}'",), f"launch {masked}")
    assert "pass" not in str(error)
    long = f"http://ann:{'pass' * 99}@server"
    assert shortened(long) == "http://ann:***@server... (414 characters)"


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("x" * 1_000_000, ["x" * 99]),
        ("epohcs", ["epochs", *(f"epochs{number}" for number in range(1_000))]),
        ("epohcs", ["epohcs" * 100_000]),
    ],
    ids=["a long word", "many names", "a long name"],
)
def test_no_word_is_offered_where_the_search_would_take_long(word: str, known: list[str]) -> None:
    assert did_you_mean(word, known) == ""
