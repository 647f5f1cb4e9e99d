"""Scenarios: doubts about features that the scenario is made of, and ids numbered per scenario."""

from dataclasses import replace

import numpy as np

from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.guess.table_sample import TableSample
from hinet_search.data.inspect.numbering import RepeatedIds, repeated_ids
from hinet_search.data.inspect.scenarios import MAX_NUMBERS, scenario_source

EQUAL = "the scenario under another name: models are told the scenario anyway"
FOLLOWS = "follows from the scenario, which models are told anyway"
MADE_OF = "every value is in one scenario only: is the scenario made of it? then leave it out"


def doubt_features(sample: TableSample, roles: ColumnRoles) -> ColumnRoles:
    """Leave out features that are the scenario, and doubt others."""
    if roles.scenario is None or roles.scenario.column.num_values < 2:
        return roles
    ids = [role.column.name for role in (roles.user, roles.item) if role]
    features = [role.column for role in (*roles.categorical, *roles.numeric)]
    few_valued = [column for column in features if column.num_values <= MAX_NUMBERS]
    sources = {
        column.name: scenario_source(sample[column], sample[roles.scenario.column])
        for column in few_valued
        if column.name not in ids
    }
    equal = {name for name, source in sources.items() if source is not None and source.is_equal}
    following = {
        column.name for column in few_valued if column.name in sources and _follows(sample, column)
    }
    no_news = {**dict.fromkeys(following, FOLLOWS), **dict.fromkeys(equal, EQUAL)}
    doubts = {
        name: MADE_OF
        for name, source in sources.items()
        if source is not None and name not in no_news
    }
    for column in features:
        repeated = _repeated(sample, column) if column.is_whole else None
        if repeated is not None:
            doubts[column.name] = _numbered_anew(column.name, repeated)
    categorical, numeric = (
        tuple(_doubted(role, doubts) for role in kind if role.column.name not in no_news)
        for kind in (roles.categorical, roles.numeric)
    )
    if not (categorical or numeric):
        return roles
    left = tuple(
        ColumnRole(column, no_news[column.name]) for column in features if column.name in no_news
    )
    left_out = (*roles.left_out, *left)
    return replace(roles, categorical=categorical, numeric=numeric, left_out=left_out)


def _follows(sample: TableSample, column: ColumnFacts) -> bool:
    """Whether a column without gaps has one value in each scenario."""
    if column.missing:
        return False
    return scenario_source(sample[sample.scenario], sample[column]) is not None


def _repeated(sample: TableSample, column: ColumnFacts) -> RepeatedIds | None:
    """Whether a column of ids seems to be numbered per scenario."""
    scenario_R = sample[sample.scenario].rank("dense").to_numpy().astype(np.int16) - 1
    tasks = tuple(label.name for label in sample.labels)
    return repeated_ids(sample[column], scenario_R, sample.labels_RT, tasks)


def _doubted(role: ColumnRole, doubts: dict[str, str]) -> ColumnRole:
    """The role with a doubt about its column, if there is one."""
    doubt = doubts.get(role.column.name, "")
    return replace(role, to_check="; ".join(filter(None, [role.to_check, doubt])))


def _numbered_anew(name: str, repeated: RepeatedIds) -> str:
    return (
        f"{repeated.first:,} to {repeated.last:,} in every scenario, but their {repeated.what} in "
        "one says nothing about that in another; does every scenario number its own? then add "
        f"distinct_by_scenario: [{name}]"
    )
