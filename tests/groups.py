"""Groups: which tests run alone, after all others and one at a time, and which are left out of `make test-fast`."""

from fnmatch import fnmatchcase
from functools import cache

import pytest

ALONE = (  # they time processes that are killed or paused, or start Ray
    "tests/chaos/test_processes.py",
    "tests/executors/test_conformance*.py",
    "tests/executors/test_orphans.py",
    "tests/executors/test_ray.py",
)
SLOW = (  # they launch, train, kill, or try very many inputs
    "tests/chaos/test_fault*.py",
    "tests/chaos/test_full_disk.py",
    "tests/cli/test_commands.py",
    "tests/cli/test_data_init.py",
    "tests/cli/test_lost_output.py",
    "tests/cli/test_odd_tables.py",
    "tests/cli/test_output.py",
    "tests/cli/test_read_only.py",
    "tests/cli/test_refused_launches.py",
    "tests/cli/test_report.py",
    "tests/cli/test_serving_commands.py",
    "tests/cli/test_storage_of_a_study.py",
    "tests/common/test_files.py",
    "tests/data/test_events.py",
    "tests/data/test_reading.py",
    "tests/device/test_replayed_steps.py",
    "tests/device/test_steps_on_a_device.py",
    "tests/executors/test_*.py",
    "tests/fuzz/test_*.py",
    "tests/models/test_every_model.py",
    "tests/models/test_flat_moe.py",
    "tests/models/test_ranked_trees.py",
    "tests/models/test_resume*.py",
    "tests/models/test_trees.py",
    "tests/notebook/test_notebooks.py",
    "tests/notebook/test_study_of_a_frame.py",
    "tests/report/test_report_page.py",
    "tests/report/test_report_pictures.py",
    "tests/results/test_claims.py",
    "tests/results/test_claims_of_shipping.py",
    "tests/results/test_selection_rates.py",
    "tests/results/test_welch.py",
    "tests/search/test_artifacts.py",
    "tests/search/test_closed_terminals.py",
    "tests/search/test_draws.py",
    "tests/search/test_extension.py",
    "tests/search/test_failing_arms.py",
    "tests/search/test_interrupted_draws.py",
    "tests/search/test_kill.py",
    "tests/search/test_launch*.py",
    "tests/search/test_many_coordinators.py",
    "tests/search/test_finished_studies.py",
    "tests/search/test_full_studies_in_trouble.py",
    "tests/search/test_relaunch.py",
    "tests/search/test_sampling.py",
    "tests/search/test_sized_arms.py",
    "tests/search/test_summaries.py",
    "tests/search/test_whole_spaces.py",
    "tests/security/test_foreign_code.py",
    "tests/security/test_hostile_folder.py",
    "tests/security/test_running_study.py",
    "tests/security/test_sockets.py",
    "tests/serving/test_*.py",
    "tests/storage/test_damage.py",
    "tests/storage/test_engine.py",
    "tests/storage/test_sqlite_file.py",
    "tests/study/test_search_space_draws.py",
    "tests/study/test_yaml_file.py",
    "tests/test_docs_run.py",
    "tests/training/test_checkpoint.py",
    "tests/training/test_every_loss.py",
    "tests/training/test_jobs.py",
    "tests/training/test_model_size.py",
)


@cache
def markers_of(file: str) -> tuple[pytest.MarkDecorator, ...]:
    """Return the markers of the groups of a test file."""
    groups = ((pytest.mark.alone, ALONE), (pytest.mark.slow, SLOW))
    return tuple(
        marker
        for marker, patterns in groups
        if any(fnmatchcase(file, pattern) for pattern in patterns)
    )


def mark(item: pytest.Item) -> None:
    """Give a test the markers of its groups."""
    for marker in markers_of(item.nodeid.partition("::")[0]):
        item.add_marker(marker)
