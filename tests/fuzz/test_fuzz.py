"""Odd inputs of every kind are taken, or refused in words: a few here, many in `make fuzz`."""

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.process import InputProcess

FOLDER = Path(__file__).parent / "targets"
TARGETS = [
    importlib.import_module(f"tests.fuzz.targets.{path.stem}") for path in FOLDER.glob("*.py")
]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # of every target
KNOWN = [
    pytest.param(target, name, id=f"{target.__name__}: {name}")
    for target in TARGETS
    for name in target.SEEDS
]


@pytest.mark.parametrize(("target", "name"), KNOWN)
def test_a_known_input_is_taken_or_refused_in_words(
    process: InputProcess, target: ModuleType, name: str
) -> None:
    process.run(target.__name__, target.SEEDS[name])


# With many examples a faulty one is kept in .hypothesis, and is the first of the next run.
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
@settings(
    max_examples=EXAMPLES or 5,
    derandomize=not EXAMPLES,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_new_input_is_taken_or_refused_in_words(
    process: InputProcess, target: ModuleType, data: st.DataObject
) -> None:
    process.run(target.__name__, data.draw(target.inputs()))
