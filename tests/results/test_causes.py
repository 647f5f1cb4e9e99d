"""Causes of failures: causes that differ only in numbers are one, and the first is shown for all."""

from hinet_search.results.causes import trials_by_cause, without_numbers
from hinet_search.results.records import TrialRecord


def failed(number: int, cause: str) -> TrialRecord:
    return TrialRecord(number, "failed", None, {}, False, cause, (), None)


def grouped(*causes: str) -> dict[str, list[int]]:
    """Trial numbers by cause."""
    trials = [failed(number, cause) for number, cause in enumerate(causes)]
    return {
        cause: [trial.number for trial in group] for cause, group in trials_by_cause(trials).items()
    }


def test_causes_that_differ_in_numbers_alone_are_one_named_by_the_first() -> None:
    causes = grouped("loss 123.4 at step 5", "out of memory", "loss 99.1 at step 7")
    assert causes == {"loss 123.4 at step 5": [0, 2], "out of memory": [1]}


def test_only_the_first_line_of_a_cause_counts() -> None:
    assert grouped("out of memory\nat 0x1", "out of memory\nelsewhere") == {"out of memory": [0, 1]}


def test_a_trial_without_a_cause_says_so() -> None:
    assert grouped("", " \n") == {"no cause recorded": [0, 1]}


def test_amounts_in_other_units_are_numbers_too() -> None:
    assert without_numbers("Unable to allocate 8.00 PiB (3,4)") == without_numbers(
        "Unable to allocate 312. MiB (5,60)"
    )


def test_values_that_are_not_finite_are_numbers_too() -> None:
    assert without_numbers("loss nan at step 3") == without_numbers("loss -inf at step 70")
    assert without_numbers("no info in nano.yaml") == "no info in nano.yaml"


def test_a_digit_in_a_name_is_no_number() -> None:
    assert without_numbers("float32 at mmoe2") == "float32 at mmoe2"
