"""The check of groups of inputs names those that were kept although no gain is shown."""

from dataclasses import replace

from hinet_search.report.checks import Finding, inputs
from tests.report.measured import with_inputs
from tests.report.planted import SHAPE
from tests.report.studies import study


def test_groups_that_were_only_measured_are_in_no_doubt() -> None:
    record = with_inputs(study(SHAPE), {"lists": -0.0001}, follow=False)
    assert inputs.check(record) == Finding(
        warns=False,
        subject="Groups of inputs were only measured: no arm follows the choice.",
    )


def test_a_group_that_was_measured_with_one_seed_is_in_doubt() -> None:
    record = with_inputs(study(SHAPE), {"statistics": 0.03, "lists": 0.02})
    runs = tuple(run for run in record.input_runs if run.seed == 0)
    finding = inputs.check(replace(record, paired_runs=runs))
    assert finding is not None
    assert finding.subject.startswith(
        "No gain is shown with statistics and lists over 1 seed: kept"
    )
    assert finding.details[0].endswith("(one seed, no interval).")
