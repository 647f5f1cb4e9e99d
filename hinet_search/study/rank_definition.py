"""Rank definition: the rows that a ranking orders together."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from hinet_search.common.frozen_model import LEFT_OUT_IF_NONE, Frozen, Text
from hinet_search.study.event_definition import Gap


def _as_columns(value: object) -> object:
    return [value] if isinstance(value, str) else value


Columns = Annotated[tuple[Text, ...], BeforeValidator(_as_columns), Field(min_length=1)]


class RankDefinition(Frozen):
    """The rows that a ranking orders together: a `group`, or a `visit` of a user.

    A group is the rows of one user that have the same values in its columns, such as a request. A
    visit ends when more than that time passes until the user's next row; it needs `user` and
    `time`. Metrics within groups compare rows of one group, and a loss of pairs takes its pairs
    there.

    By `as_of: group`, statistics, events, sessions and sequences of all rows of a group are as of
    its first row: what is counted inside the group cannot order it, and would tell labels of the
    group to a loss or a search that looks at groups. `row` lets them go on inside the group.
    """

    group: Annotated[Columns | None, LEFT_OUT_IF_NONE] = None
    visit: Annotated[Gap | None, LEFT_OUT_IF_NONE] = None
    as_of: Literal["group", "row"] = "group"

    @model_validator(mode="after")
    def _either(self) -> "RankDefinition":
        if (self.group is None) == (self.visit is None):
            raise ValueError(
                "rank must have 'group', the columns of a request, or 'visit', the longest pause "
                "within a visit such as 30m, and not both"
            )
        return self

    @property
    def in_words(self) -> str:
        """What a group is: `user_id x request_id`, `visits with pauses up to 30m`."""
        if self.group is not None:
            return " x ".join(self.group)
        return f"visits with pauses up to {self.visit}"
