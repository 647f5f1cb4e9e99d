"""Before a launch, a check reports what is stored of the study and what the machine lacks for it."""

import pytest
import torch

from hinet_search.common.errors import StudyConflict
from hinet_search.search.plan.forecast import ArmPlan, Plan, shortages
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.stored_study import StoredStudy, find_stored_study
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.device import ChosenDevice
from tests.search.pretended import PretendedData, Studio


def ready(studio: Studio, **options: object) -> PreparedStudy:
    """The study that the studio launches, with other options."""
    study = LaunchOptions(**options).load(str(studio.folder / "s.yaml"))  # type: ignore[arg-type]  # as a caller's
    return PreparedStudy(study, PretendedData(studio.folder), ChosenDevice(torch.device("cpu")), 1)  # type: ignore[arg-type]


def stored(studio: Studio) -> LaunchOptions:
    return LaunchOptions(output=studio.folder / "out")


@pytest.mark.parametrize(("trials", "budget"), [(9, 9), (3, 4)])
def test_a_launched_study_is_shown_with_the_part_of_its_budget_that_is_done(
    studio: Studio, trials: int, budget: int
) -> None:
    studio.launch()
    found = find_stored_study(ready(studio, trials=trials), stored(studio))
    assert found == StoredStudy("done", 4, budget)


def test_a_study_in_time_has_the_budget_of_its_last_round(studio: Studio) -> None:
    studio.launch(more="budget: 10m\n", trials=6)
    in_time = ready(studio, trials=9, settings={"budget": "20m"})
    assert find_stored_study(in_time, stored(studio)) == StoredStudy("done", 6, 6)


def test_a_missing_study_or_database_is_not_stored_and_is_not_made(studio: Studio) -> None:
    studio.launch()
    assert find_stored_study(ready(studio), LaunchOptions(output=studio.folder / "none")) is None
    assert not (studio.folder / "none").exists()
    assert find_stored_study(ready(studio, settings={"name": "another"}), stored(studio)) is None


def test_a_study_of_another_form_is_refused_before_it_is_launched(studio: Studio) -> None:
    studio.launch()
    with pytest.raises(StudyConflict, match="exists with another seed: stored 0, now 8"):
        find_stored_study(ready(studio, seed=8), stored(studio))


def test_a_study_that_is_wider_than_the_stored_one_says_in_what(studio: Studio) -> None:
    studio.launch()
    with (studio.folder / "s.yaml").open("a") as file:
        file.write("cost_limit: 3.0\n")
    stored_study = find_stored_study(ready(studio), stored(studio))
    assert stored_study is not None
    assert stored_study.wider


def plan(studio: Studio, *, memory: int, parameters: int) -> Plan:
    studio.launch()
    sizes = (1, parameters, parameters)
    arm = ArmPlan("mmoe", "mmoe", 4, 2, 1, sizes, 1.0, 1.0, memory, 16 * parameters)
    return Plan(ready(studio), (arm,), 0.0)


def test_what_the_machine_lacks_is_reported_with_both_sizes(studio: Studio) -> None:
    (memory,) = shortages(plan(studio, memory=2**60, parameters=1))
    assert memory.startswith("memory: 1.15 EB are needed and ")
    assert memory.endswith("use fewer slots")


def test_a_machine_with_enough_lacks_nothing(studio: Studio) -> None:
    assert shortages(plan(studio, memory=1, parameters=1)) == []


def test_the_disk_that_is_needed_holds_finalists_and_checkpoints(studio: Studio) -> None:
    runs, checkpoints = (1 + 1) * 2, 3  # of one slot: two that stay, and one that is being written
    small, large = (plan(studio, memory=1, parameters=number).disk_bytes for number in (1000, 3000))
    assert large - small == 2000 * (4 * runs + 16 * checkpoints)
