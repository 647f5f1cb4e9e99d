"""The key `tracking`: the kinds of tracker, their options, and the servers that a launch must name."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.study.launch_options import LaunchOptions, refuse_places_of_the_file
from hinet_search.study.load_study import ResolvedStudy
from hinet_search.study.plugin_keys import TrackingSpec
from hinet_search.trackers import mlflow, tensorboard
from tests.study_texts import DATA

STUDY = DATA + "arms: {mmoe: }\n"


def load(folder: Path, more: str = "", **settings: object) -> ResolvedStudy:
    """Load a study whose file has `more`, with these values of --set (a dot is `__`)."""
    (folder / "s.yaml").write_text(STUDY + more)
    named = {name.replace("__", "."): value for name, value in settings.items()}
    return LaunchOptions(settings=named).load(str(folder / "s.yaml"))


def message(folder: Path, more: str = "", **settings: object) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(folder, more, **settings)
    return str(refused.value)


def test_a_word_is_the_kind_of_tracker(tmp_path: Path) -> None:
    assert load(tmp_path, "tracking: mlflow\n").spec.tracking == TrackingSpec(kind="mlflow")


def test_a_study_without_the_key_has_no_tracker(tmp_path: Path) -> None:
    assert load(tmp_path).spec.tracking is None


def test_kind_and_options_may_be_set_together(tmp_path: Path) -> None:
    tracking = load(tmp_path, tracking="mlflow", tracking__experiment="shop").spec.tracking
    assert tracking is not None
    assert (tracking.kind, tracking.options) == ("mlflow", {"experiment": "shop"})


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            "tracking: mlflaw\n",
            "'mlflaw' is not a tracker, known: mlflow, tensorboard; did you mean 'mlflow'?",
        ),
        ("tracking: {kind: mlflow, url: x}\n", "unknown key 'url'; did you mean 'uri'?"),
        ("tracking: {uri: sqlite:///a.db}\n", "key 'tracking.kind' is needed and missing"),
        (
            "tracking: {kind: mlflow, uri: 'http://ann:s3cret@server'}\n",
            "uri: must hold no user and no password, since a study is stored and shown in its report",
        ),
        ("tracking: {kind: mlflow, experiment: ''}\n", "experiment: "),
    ],
    ids=["kind", "option", "no kind", "password", "no experiment"],
)
def test_a_wrong_value_is_refused_with_its_place(tmp_path: Path, more: str, line: str) -> None:
    said = message(tmp_path, more)
    number = STUDY.count("\n") + 1
    assert f"s.yaml:{number}:" in said
    assert line in said
    assert "s3cret" not in said


def test_a_package_that_is_missing_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tracker, package in ((mlflow, "mlflow-skinny"), (tensorboard, "tensorboard")):
        kind = tracker.__name__.rpartition(".")[2]
        monkeypatch.setattr(tracker, "find_spec", lambda name: None)
        said = message(tmp_path, f"tracking: {kind}\n")
        assert f"needs the package {package}: pip install '.[{kind}]' in a clone" in said


def test_a_server_that_a_variant_of_the_file_names_is_refused(tmp_path: Path) -> None:
    variants = "variants: {a: {tracking: {kind: mlflow, uri: http://server:5000}}}\n"
    of_kind = "tracking: mlflow\nvariants: {a: {tracking.uri: http://server:5000}}\n"
    for more in (variants, of_kind):
        with pytest.raises(ConfigurationError, match="but only the file does"):
            refuse_places_of_the_file(load(tmp_path, more))


@pytest.mark.parametrize("uri", ["http://server:5000", "databricks", "databricks://profile"])
def test_a_server_that_only_the_file_names_is_refused(tmp_path: Path, uri: str) -> None:
    study = load(tmp_path, f"tracking: {{kind: mlflow, uri: '{uri}'}}\n")
    with pytest.raises(ConfigurationError, match="the launch must name it, but only the file does"):
        refuse_places_of_the_file(study)


@pytest.mark.parametrize("uri", ["sqlite:///runs.db", "mlruns", "/runs", "file:///runs", ""])
def test_a_file_of_this_machine_may_be_named_by_the_study_alone(tmp_path: Path, uri: str) -> None:
    refuse_places_of_the_file(load(tmp_path, f"tracking: {{kind: mlflow, uri: '{uri}'}}\n"))


def test_a_launch_may_name_the_server_with_the_whole_key(tmp_path: Path) -> None:
    whole = {"kind": "mlflow", "uri": "http://server:5000"}
    refuse_places_of_the_file(load(tmp_path, tracking=whole))


def test_a_server_that_the_launch_names_is_used(tmp_path: Path) -> None:
    study = load(tmp_path, "tracking: mlflow\n", tracking__uri="http://server:5000")
    refuse_places_of_the_file(study)
    assert study.spec.tracking is not None
    assert study.spec.tracking.options == {"uri": "http://server:5000"}
