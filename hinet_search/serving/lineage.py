"""Lineage: what a model learned from, in its study and then in fits on newer rows."""

from typing import Annotated

from pydantic import Field

from hinet_search.common.frozen_model import Frozen, Large, Text

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{32,64}$")]
NumRows = Annotated[int, Field(ge=1, le=2**53)]
Measured = Annotated[float, Field(ge=-1e40, le=1e40)]


class StudyRows(Frozen):
    """What a fit on newer rows needs to know of the study beside the model's inputs.

    `user` and `time` are columns. An id needs `minimum_frequency` rows to get an embedding. Models
    of the study are compared by `objective`. `calibrated` says whether probabilities were to be.
    """

    user: Text | None
    time: Text | None
    minimum_frequency: Large
    objective: Text
    calibrated: bool


class NewerFit(Frozen):
    """A fit on newer rows, after which the folder was written.

    `parent` is the SHA-256 of the manifest of the folder before, `rows` the hash of the rows. Of
    `num_rows` labelled rows `num_held_out` were not learned from; `first` and `last` are the ends
    of their time. `passes` are those of every member. The objective is that of held-out rows that
    judge, with the interval of its gain; None without one.
    """

    parent: Hash
    rows: Hash
    num_rows: NumRows
    num_held_out: NumRows
    first: str | None
    last: str | None
    learning_rate: Annotated[float, Field(ge=0, le=10)] | None
    passes: tuple[Annotated[float, Field(ge=0, le=1e4)], ...]
    objective_before: Measured
    objective_after: Measured
    gain_low: Measured | None = None
    gain_high: Measured | None = None
