"""Fit budget: how many trials a budget of time is expected to have room for."""

from bisect import bisect_right
from dataclasses import replace

from hinet_search.search.plan.plan import Plan


def fit_budget(plan: Plan) -> Plan:
    """Return the plan with the trials that fit into the study's budget of time, at least one.

    A launch goes by what its trials really take: pruning makes room for more. It trains the default
    of every arm in any case.
    """
    budget = plan.ready.study.spec.budget
    if budget is None:
        return plan
    numbers = range(1, max(arm.trials for arm in plan.arms) + 1)
    fitting = bisect_right(numbers, 60 * budget, key=lambda n: _with_trials(plan, n).seconds)
    return _with_trials(plan, max(1, fitting))


def _with_trials(plan: Plan, trials: int) -> Plan:
    finalists = plan.ready.study.spec.finalists.most(trials)
    arms = (
        replace(arm, trials=min(arm.trials, trials), finalists=min(arm.finalists, finalists))
        for arm in plan.arms
    )
    return replace(plan, arms=tuple(arms))
