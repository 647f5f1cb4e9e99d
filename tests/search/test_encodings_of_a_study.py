"""Studies that search the encoding of each number, from YAML to the report, and resume."""

from pathlib import Path

import pytest

from hinet_search import api
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.taken_back import choices_of, taken_back
from hinet_search.study.search_space import load_space
from tests.small import STUDY, write_study

ENCODINGS = "features.number_encodings"
SPACE = f"""\
parameters:
  train.learning_rate: {{kind: float, low: 1.0e-3, high: 1.0e-2, log: true, default: 3.0e-3}}
  features.number_encoding:
    {{kind: categorical, choices: [standardised, bins], default: standardised}}
  {ENCODINGS}.numeric_0:
    {{kind: categorical, choices: [standardised, bins, periodic], default: bins}}
  {ENCODINGS}.statistics:
    {{kind: categorical, choices: [bins, piecewise], default: piecewise}}
fixed: {{model.embedding_dim: 2, train.batch_size: 256, model.trunk.widths: [4]}}
"""
NUMERIC = "    numeric: [numeric_0, numeric_1]\n"
ONE_ARM = STUDY.replace("{shared_bottom: , mmoe: }", "{shared_bottom: {space: encodings}}")
ONE_ARM = ONE_ARM.replace(NUMERIC, f"{NUMERIC}    statistics: {{by: [user_id]}}\n")
ONE_ARM += "reference: shared_bottom\n"
NAMES = (f"{ENCODINGS}.numeric_0", f"{ENCODINGS}.statistics")


def launched(folder: Path, trials: int) -> StudyRecord:
    (folder / "encodings.yaml").write_text(SPACE)
    text = ONE_ARM.replace("trials: 3", f"trials: {trials}")
    return api.launch(str(write_study(folder, text)), output=folder / "out")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encodings")


@pytest.fixture(scope="module")
def searched(folder: Path) -> StudyRecord:
    """A study, launched for five trials and then for twelve."""
    launched(folder, trials=5)
    return launched(folder, trials=12)


def test_every_trial_is_trained_with_the_encodings_that_were_drawn(searched: StudyRecord) -> None:
    (arm,) = searched.arms
    trained = [trial for trial in arm.trials if trial.state == "complete"]
    assert len(trained) == 12
    assert {trained[0].parameters[name] for name in NAMES} == {"bins", "piecewise"}
    for name in NAMES:
        assert len({trial.parameters[name] for trial in trained}) > 1


def test_their_sizes_are_those_of_the_vectors_that_each_number_has(searched: StudyRecord) -> None:
    """An encoded number has a vector of two weights per bin, and each weight of it four more in the trunk."""
    (arm,) = searched.arms
    size_of = {"standardised": 0, "bins": 64 + 8, "piecewise": 64 + 8, "periodic": 16 + 64 + 2 + 8}
    expected = {}
    for trial in arm.trials:
        if trial.state == "complete":
            drawn = trial.parameters
            vectors = size_of[drawn[NAMES[0]]] + size_of[drawn["features.number_encoding"]]
            assert trial.cost is not None
            base = trial.cost.dense_parameters - vectors - 3 * size_of[drawn[NAMES[1]]]
            expected[trial.number] = base
    assert len(set(expected.values())) == 1


def test_the_report_names_the_numbers(searched: StudyRecord, folder: Path) -> None:
    page = next(folder.rglob("*.html")).read_text()
    for name in NAMES:
        assert name in page


def test_the_encoding_of_each_number_is_a_choice_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "encodings.yaml").write_text(SPACE)
    space = load_space(str(tmp_path / "encodings.yaml"))
    default = space.default()
    drawn = {**default, NAMES[0]: "periodic", NAMES[1]: "bins", "features.number_encoding": "bins"}
    choices = choices_of(space, drawn, {NAMES[1]: 0.5})
    assert choices[0] == (NAMES[1],)
    assert set(choices) == {(NAMES[0],), (NAMES[1],), ("features.number_encoding",)}
    assert taken_back(space, drawn, [NAMES[0]]) == {**drawn, NAMES[0]: "bins"}
