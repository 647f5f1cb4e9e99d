"""Fit budget: how many trials a budget of time is expected to have room for."""

from dataclasses import replace
from math import floor

from hinet_search.search.plan.plan import Plan


def fit_budget(plan: Plan) -> Plan:
    """Return the plan with the trials that fit into the study's budget of time, at least one.

    A launch goes by what its trials really take: pruning makes room for more.
    """
    budget = plan.ready.study.spec.budget
    if budget is None:
        return plan
    with_one, with_two = (_with_trials(plan, trials).seconds for trials in (1, 2))
    most = max(arm.trials for arm in plan.arms)
    of_one_more = max(with_two - with_one, 1e-9)
    trials = 1 + max(0, floor((60 * budget - with_one) / of_one_more))
    return _with_trials(plan, min(trials, most))


def _with_trials(plan: Plan, trials: int) -> Plan:
    arms = (replace(arm, trials=min(arm.trials, trials)) for arm in plan.arms)
    return replace(plan, arms=tuple(arms))
