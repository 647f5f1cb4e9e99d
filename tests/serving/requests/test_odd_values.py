"""Whatever JSON a request holds, it gets scores or a message, and never another error."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hinet_search.common.errors import DataError
from hinet_search.serving.requests.document import columns_of
from hinet_search.serving.requests.served_model import Scores, ServedModel

NO_NUMBERS = ["", " ", "1,2,x", "a|b", "true", "ä\x00"]
NUMBERS = ["1", "-0", "1e999", "nan", "Infinity", "٣", "0" * 50]
DATES = ["2026-05-01", "20260501", "2026-W18-5", "2026-05-01T12:00", "2026-05-01T12:00:00+14:00"]
FAR = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
TEXTS = st.sampled_from([*NO_NUMBERS, *NUMBERS, *DATES, *FAR])
WHOLE = st.integers(-3, 40) | st.sampled_from(
    [2**31, 2**63, -(2**63) - 1, 2**64, 10**40, -(10**400)]
)
SCALARS = st.none() | st.booleans() | WHOLE | st.floats() | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6) | st.just(
    {}
)
LIKELY = {
    "place": st.integers(1, 3),
    "seen": TEXTS,
    "told": TEXTS,
    "born": TEXTS,
    "tags": st.lists(WHOLE),
}


def requests(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, list[Any]]]:
    """Columns of two rows; values are more often of the columns' types than not."""
    return st.fixed_dictionaries(
        {
            name: st.lists(LIKELY.get(name, SCALARS) | VALUES, min_size=2, max_size=2)
            for name in names
        }
    )


def answer(model: ServedModel, columns: dict[str, list[Any]]) -> Scores | tuple[str, ...]:
    """The scores of columns as they are sent, or their problems."""
    sent = json.dumps({"columns": columns})
    try:
        return model.score(columns_of(json.loads(sent), model.columns))
    except DataError as error:
        return error.problems


def test_any_values_get_scores_or_a_message(models: dict[str, ServedModel]) -> None:
    kinds = set()

    @settings(max_examples=150)
    @given(data=st.data(), name=st.sampled_from(["plain", "everything", "counted", "timed"]))
    def check(data: st.DataObject, name: str) -> None:
        got = answer(models[name], data.draw(requests(models[name].columns)))
        assert np.isfinite(got.predicted_RT).all() if isinstance(got, Scores) else got
        kinds.add(type(got))

    check()
    assert kinds == {Scores, tuple}


def test_one_odd_value_among_good_ones_gets_scores_or_a_message_about_its_column(
    models: dict[str, ServedModel],
) -> None:
    @settings(max_examples=150)
    @given(data=st.data(), name=st.sampled_from(["everything", "counted", "timed"]), value=VALUES)
    def check(data: st.DataObject, name: str, value: Any) -> None:
        columns = {each: [1 if each == "place" else None] for each in models[name].columns}
        odd = data.draw(st.sampled_from(sorted(columns)))
        got = answer(models[name], {**columns, odd: [value]})
        problems = () if isinstance(got, Scores) else got
        assert [problem.split("'")[1] for problem in problems] in ([], [odd])

    check()
