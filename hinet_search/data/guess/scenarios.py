"""Scenarios: doubts about features that the scenario is made of, and ids numbered per scenario."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from hinet_search.data.frequent import is_positive
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.column_roles import ColumnRole, ColumnRoles
from hinet_search.data.inspect.numbering import RepeatedIds, repeated_ids
from hinet_search.data.inspect.scenarios import MAX_NUMBERS, ScenarioSource, scenario_source

MAX_ROWS = 200_000  # every k-th of more
ROW, SCENARIO = "row", "scenario"
EQUAL = "the scenario under another name: models are told the scenario anyway"
MADE_OF = "every value is in one scenario only: is the scenario made of it? then leave it out"


@dataclass(frozen=True)
class _Sample:
    """Some rows of the numbered table, without those that have no scenario."""

    frame: pl.DataFrame
    scenario: ColumnFacts
    labels: Sequence[ColumnFacts]

    def source(self, column: ColumnFacts) -> ScenarioSource | None:
        """Whether the scenario is known from a column."""
        return scenario_source(self.frame[column.key], self.frame[self.scenario.key])

    def repeated(self, column: ColumnFacts) -> RepeatedIds | None:
        """Whether a column of ids seems to be numbered per scenario."""
        scenario_R = self.frame[self.scenario.key].rank("dense").to_numpy().astype(np.int16) - 1
        labels_RT = self.frame.select(is_positive(label) for label in self.labels).to_numpy()
        tasks = tuple(label.name for label in self.labels)
        return repeated_ids(self.frame[column.key], scenario_R, labels_RT.astype(np.uint8), tasks)


def doubt_features(lazy: pl.LazyFrame, roles: ColumnRoles) -> ColumnRoles:
    """Leave out features that are the scenario, and doubt others; `lazy` is the numbered table."""
    if roles.scenario is None or roles.scenario.column.num_values < 2:
        return roles
    ids = [role.column.name for role in (roles.user, roles.item) if role]
    features = [role.column for role in (*roles.categorical, *roles.numeric)]
    few_valued = [column for column in features if column.num_values <= MAX_NUMBERS]
    sample = _sample(lazy, roles)
    sources = {
        column.name: sample.source(column) for column in few_valued if column.name not in ids
    }
    equal = {name for name, source in sources.items() if source is not None and source.is_equal}
    doubts = {
        name: MADE_OF
        for name, source in sources.items()
        if source is not None and name not in equal
    }
    for column in features:
        repeated = sample.repeated(column) if column.is_whole else None
        if repeated is not None:
            doubts[column.name] = _numbered_anew(column.name, repeated)
    categorical, numeric = (
        tuple(_doubted(role, doubts) for role in kind if role.column.name not in equal)
        for kind in (roles.categorical, roles.numeric)
    )
    if not (categorical or numeric):
        return roles
    left = tuple(ColumnRole(column, EQUAL) for column in features if column.name in equal)
    left_out = (*roles.left_out, *left)
    return replace(roles, categorical=categorical, numeric=numeric, left_out=left_out)


def _sample(lazy: pl.LazyFrame, roles: ColumnRoles) -> _Sample:
    assert roles.scenario is not None, "only called with a scenario"
    scenario, labels = roles.scenario.column, [role.column for role in roles.tasks]
    features = [role.column for role in (*roles.categorical, *roles.numeric)]
    keys = dict.fromkeys(column.key for column in (scenario, *labels, *features))
    step = -(-scenario.rows // MAX_ROWS)
    every = lazy.select(list(keys)).with_row_index(ROW).filter(pl.col(ROW) % step == 0)
    frame = every.drop_nulls(scenario.key).collect(engine="streaming")
    return _Sample(frame, scenario, labels)


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
