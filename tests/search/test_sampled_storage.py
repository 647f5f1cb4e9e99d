"""What a sampler sees of an Optuna study in memory."""

from collections.abc import Sequence
from random import Random

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hinet_search.search.sampling import NUM_BEST, NUM_SAMPLED, SampledStorage, in_memory

MANY = NUM_SAMPLED + 500
Made = tuple[optuna.Study, SampledStorage]
LEARNED = (TrialState.COMPLETE, TrialState.PRUNED)


def trial(number: int, value: float) -> FrozenTrial:
    return create_trial(
        values=[value], params={"x": value}, distributions={"x": FloatDistribution(0, 1)}
    )


def values(count: int) -> list[float]:
    return Random(0).sample([number / count for number in range(count)], count)


def study_of(count: int, *, maximize: Sequence[bool] = (True,)) -> Made:
    trials = [trial(number, value) for number, value in enumerate(values(count))]
    if len(maximize) > 1:
        for each in trials:
            each.values = [each.params["x"]] * len(maximize)
    return in_memory(trials, maximize)


def seen(made: Made) -> list[int]:
    study, storage = made
    with storage.sampling():
        return [each.number for each in study.get_trials(deepcopy=False, states=LEARNED)]


def test_a_sampler_sees_all_of_as_many_trials_as_the_sample_has() -> None:
    assert seen(study_of(NUM_SAMPLED)) == list(range(NUM_SAMPLED))


@pytest.mark.parametrize("maximize", [True, False])
def test_of_more_trials_a_sampler_sees_the_best_and_some_others(maximize: bool) -> None:
    numbers = seen(study_of(MANY, maximize=(maximize,)))
    assert numbers == sorted(numbers)
    assert NUM_SAMPLED < len(numbers) <= NUM_SAMPLED + NUM_BEST
    ranked = sorted(range(MANY), key=values(MANY).__getitem__, reverse=maximize)
    assert set(ranked[:NUM_BEST]) <= set(numbers)


def test_the_sample_is_of_old_and_new_trials_and_of_good_and_bad_ones() -> None:
    numbers = seen(study_of(MANY))
    assert abs(sum(number < MANY // 2 for number in numbers) / len(numbers) - 0.5) < 0.05
    drawn = values(MANY)
    bad = [number for number in numbers if drawn[number] < 0.9]
    assert abs(sum(drawn[number] < 0.45 for number in bad) / len(bad) - 0.5) < 0.05


def test_whatever_the_order_in_which_trials_end_a_sampler_sees_the_same() -> None:
    at_once, one_by_one = study_of(MANY), in_memory([], (True,))
    begun = [one_by_one[0].ask({"x": FloatDistribution(0, 1)}) for _ in range(MANY)]
    drawn = values(MANY)
    for each in Random(1).sample(begun, len(begun)):
        one_by_one[0].tell(each, drawn[each.number])
    assert seen(one_by_one) == seen(at_once)


def test_running_trials_are_all_seen_and_failed_ones_are_not() -> None:
    study, storage = made = study_of(MANY)
    running, failed = study.ask(), study.ask()
    study.tell(failed, state=TrialState.FAIL)
    with storage.sampling():
        numbers = [each.number for each in study.get_trials()]
    assert running.number in numbers
    assert running.number not in seen(made)
    assert failed.number not in numbers


def test_outside_of_a_draw_every_trial_is_listed() -> None:
    made = study_of(MANY)
    assert len(seen(made)) < MANY
    assert len(made[0].get_trials(deepcopy=False)) == MANY


def test_with_several_objectives_a_sampler_sees_all_trials() -> None:
    assert len(seen(study_of(MANY, maximize=(True, False)))) == MANY
