"""Every number of a file has bounds, so that it fits wherever it is used."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import hinet_search
from hinet_search.common.errors import ConfigurationError
from hinet_search.common.frozen_model import Frozen
from hinet_search.study.distributions import FloatRange
from hinet_search.study.study_spec import StudySpec
from hinet_search.study.yaml_file import validated
from hinet_search.training.trial_config import build_config

OF_THE_TABLE = (
    "above",
    "at_least",
    "at_most",
    "equals",
    "train",
    "valid",
    "test",
    "valid_from",
    "test_from",
)
ANY_VALUE = (
    "fixed",
    "choices",
    "default",
    "when",
    "settings",
    "start",
)  # checked by the type of what it is a value of


def kinds() -> list[type[Frozen]]:
    """Return every type of the package that is read from a file."""
    for module in pkgutil.walk_packages(hinet_search.__path__, "hinet_search."):
        importlib.import_module(module.name)
    every, left = set[type[Frozen]](), [Frozen]
    while left:
        for kind in left.pop().__subclasses__():
            if kind not in every and kind.__module__.startswith("hinet_search."):
                every.add(kind)
                left.append(kind)
    return sorted(every, key=lambda kind: (kind.__module__, kind.__qualname__))


def unbounded(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The numbers of a JSON schema that lack a lower or an upper bound."""
    if isinstance(schema, list):
        for inner in schema:
            yield from unbounded(inner)
    elif isinstance(schema, dict):
        low, high = ({f"{end}imum", f"exclusive{end.capitalize()}imum"} for end in ("min", "max"))
        if (
            schema.get("type") in ("integer", "number")
            and "const" not in schema
            and not (low & set(schema) and high & set(schema))
        ):
            yield schema
        for key in ("anyOf", "items", "prefixItems", "additionalProperties"):
            yield from unbounded(schema.get(key))


def test_every_number_of_every_type_that_is_read_from_a_file_has_bounds() -> None:
    without_bounds = [
        f"{kind.__module__}.{kind.__qualname__}.{name}"
        for kind in kinds()
        for name, field in kind.model_json_schema().get("properties", {}).items()
        if name not in (*OF_THE_TABLE, *ANY_VALUE) and list(unbounded(field))
    ]
    assert without_bounds == []


STUDY = {
    "data": {
        "source": {"kind": "synthetic"},
        "scenario": {"column": "tab"},
        "tasks": {"click": {"column": "click"}},
        "features": {"categorical": ["user"]},
        "split": {"by": "random"},
    },
    "arms": {"single": {}},
}
FAR = {
    "seed": 2**63,
    "trials": 10**30,
    "slots": 10**19,
    "epochs": 1e308,
    "silence_minutes": 1e308,
    "cost_limit": 1e308,
    "finalists": {"seeds": 10**18},
    "sampler": {"startup_trials": 10**18},
}


@pytest.mark.parametrize("key", FAR)
def test_a_number_of_a_study_that_is_too_large_is_refused(key: str) -> None:
    reference = STUDY | {"reference": "single"}
    assert validated(StudySpec, reference, "x")
    with pytest.raises(ConfigurationError, match=rf"^x: {key}.* must be less than"):
        validated(StudySpec, reference | {key: FAR[key]}, "x")


@pytest.mark.parametrize("name", ["train.batch_size", "model.san.top_k"])
def test_a_setting_that_is_too_large_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: must be less than or equal to"):
        build_config("hinet", {name: 2**70})


def test_a_model_of_a_billion_layers_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must be less than or equal to 100"):
        build_config("hinet", {"model.cgc.num_levels": 10**9})
    with pytest.raises(ConfigurationError, match="must have at most 100 values"):
        build_config("single", {"model.widths": (1,) * 101})


@pytest.mark.parametrize(
    ("low", "high", "step"), [(-1e308, 1e308, None), (0.0, 1e308, 1.0), (0.0, 1.0, 1e-308)]
)
def test_a_range_whose_steps_cannot_be_counted_is_refused(
    low: float, high: float, step: float | None
) -> None:
    with pytest.raises(ConfigurationError, match=r"must be (less|greater) than or equal to"):
        validated(
            FloatRange,
            {"kind": "float", "low": low, "high": high, "default": low, "step": step},
            "x",
        )
