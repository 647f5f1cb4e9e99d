"""The objectives of a study: which may be given, and the refusal of those that cannot be meant."""

import pytest

from hinet_search.results.objectives import cell_names, names
from tests.study.written import SMALL, load, refusal

KNOWN = ", ".join([*names(), *cell_names()])
REFUSED = {
    "an unknown objective": (
        SMALL + "objective: macro_acu\n",
        [
            f"s.yaml:8:1: objective 'macro_acu' is not known, must be one of {KNOWN}; did you mean 'macro_auc'?"
        ],
    ),
    "an objective over users of data without users": (
        SMALL + "objective: gauc\n",
        [
            "s.yaml:8:1: objective gauc needs the key 'user' of the data, got none; add it, or take weighted_auc"
        ],
    ),
    "an objective of an unknown task": (
        SMALL + "objective: auc[home/clik]\n",
        ["s.yaml:8:1: objective auc[home/clik] names no task; did you mean 'click'?"],
    ),
    "an error of amounts for a task of 0 and 1": (
        SMALL + "objective: rmse[home/click]\n",
        [
            "s.yaml:8:1: objective rmse[home/click] needs a task of amounts, and click has labels of 0 and 1; take logloss[home/click], or write 'kind: amount' if it has amounts"
        ],
    ),
    "a further objective that is unknown": (
        SMALL + "objectives: [mean_auc, latency]\n",
        [
            f"s.yaml:8:1: objectives: 'latency' is not known, must be one of {KNOWN}, latency_ms, flops_per_row, parameters, dense_parameters; did you mean 'latency_ms'?"
        ],
    ),
    "a further objective of an unknown task": (
        SMALL + "objectives: [mean_auc, 'auc[home/clik]']\n",
        ["s.yaml:8:1: objectives: objective auc[home/clik] names no task; did you mean 'click'?"],
    ),
    "a cost as the first objective": (
        SMALL + "objectives: [latency_ms, mean_auc]\n",
        [
            "s.yaml:8:1: objectives: the first must be a metric, by which trials and arms are compared, got latency_ms; write it after one"
        ],
    ),
    "an objective that is listed twice": (
        SMALL + "objectives: [mean_auc, ece, ece]\n",
        ["s.yaml:8:1: objectives must differ, got ece more than once"],
    ),
    "an objective beside others that begin with another": (
        SMALL + "objectives: [mean_auc, ece]\nobjective: logloss\n",
        ["s.yaml:1: objective (logloss) and objectives differ; leave one out"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_objectives_that_cannot_be_meant_are_refused_with_place_and_remedy(case: str) -> None:
    text, messages = REFUSED[case]
    assert list(refusal(text)) == messages


def test_the_first_of_several_objectives_is_the_one_of_the_study() -> None:
    spec = load(SMALL + "objectives: [logloss, latency_ms, 'auc[home/click]']\n").spec
    assert spec.objective == "logloss"
    assert spec.other_objectives == ("latency_ms", "auc[home/click]")
    assert load(SMALL + "objectives: [ece]\n").spec.other_objectives == ()
    assert load(SMALL + "objective: ece\nobjectives: [ece, logloss]\n").spec.objective == "ece"


@pytest.mark.parametrize("objective", ["logloss", "auc[home/click]", "logloss[a/b/order]"])
def test_an_objective_of_known_tasks_is_accepted(objective: str) -> None:
    assert load(SMALL + f"objective: {objective}\n").spec.objective == objective
