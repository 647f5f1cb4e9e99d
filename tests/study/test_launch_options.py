"""Launch options override the study file; what they leave out comes from the file."""

import os
from pathlib import Path

import pytest

import hinet_search
from hinet_search import api
from hinet_search.common.errors import ConfigurationError
from hinet_search.study.launch_options import LaunchOptions, num_slots, refuse_places_of_the_file
from hinet_search.study.load_study import ResolvedStudy, load_study
from hinet_search.study.study_spec import FinalistSpec
from tests.study_texts import DATA

STUDY = (
    DATA
    + """\
arms: {mmoe: }
trials: 5
finalists: {top: 2, seeds: 3}
seed: 7
"""
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("STORAGE", "SLOTS", "DEVICE", "CACHE"):
        monkeypatch.delenv(f"HINET_SEARCH_{name}", raising=False)
    return tmp_path


def load(more: str = "") -> ResolvedStudy:
    Path("s.yaml").write_text(STUDY + more)
    return load_study("s.yaml")


def test_no_option_leaves_the_study_as_it_is() -> None:
    study = load()
    assert LaunchOptions().load("s.yaml") == study


def test_options_replace_the_values_of_the_file() -> None:
    load()
    spec = (
        LaunchOptions(trials=9, slots=2, device="cpu", seed=0, finalist_seeds=4).load("s.yaml").spec
    )
    assert (spec.trials, spec.slots, spec.device, spec.seed) == (9, 2, "cpu", 0)
    assert spec.finalists == FinalistSpec(top=2, seeds=4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (LaunchOptions(trials=0), "--trials: trials: must be greater than or equal to 1, got 0"),
        (LaunchOptions(slots=-1), "--slots: slots: must be greater than or equal to 1, got -1"),
        (LaunchOptions(seed=-1), "--seed: seed: must be greater than or equal to 0, got -1"),
        (
            LaunchOptions(finalist_seeds=0),
            "--finalist-seeds: finalists.seeds: must be greater than or equal to 1, got 0",
        ),
        (
            LaunchOptions(device="gpu"),
            "--device: device: must be 'auto', 'cpu' or 'cuda', got 'gpu'",
        ),  # type: ignore[arg-type]  # a caller's mistake
    ],
)
def test_an_option_out_of_range_is_refused(given: LaunchOptions, message: str) -> None:
    load()
    with pytest.raises(ConfigurationError) as caught:
        given.load("s.yaml")
    assert caught.value.problems == (message,)


def test_everything_is_written_under_the_output_folder_when_one_is_named() -> None:
    given = LaunchOptions(output=Path("out"))
    assert (given.folder, given.reports) == (Path("out"), Path("out/reports"))
    assert given.storage_url() == "out/studies.sqlite3"
    given = LaunchOptions()  # else reports go where people look
    assert (given.folder, given.reports) == (Path(".hinet-search"), Path("reports"))
    assert given.storage_url() == ".hinet-search/studies.sqlite3"


def test_the_database_comes_from_flag_then_environment_then_file_then_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study, plain = load("storage: file.sqlite3\n"), load()
    assert LaunchOptions().storage_url(plain) == ".hinet-search/studies.sqlite3"
    assert LaunchOptions().storage_url(study) == "file.sqlite3"
    monkeypatch.setenv("HINET_SEARCH_STORAGE", "environment.sqlite3")
    assert LaunchOptions().storage_url(study) == "environment.sqlite3"
    assert LaunchOptions(storage="flag.sqlite3").storage_url(study) == "flag.sqlite3"


@pytest.mark.parametrize(
    ("cores", "all_cores", "more", "slots"),
    [
        (1, 64, "", 1),
        (3, 64, "", 3),
        (64, 64, "", 4),
        (1, 64, "slots: 16\n", 16),
        (None, None, "", 1),  # the system does not say which are usable
        (None, 3, "", 3),
        (None, 64, "", 4),
    ],
)
def test_a_study_that_names_no_slots_gets_one_per_usable_core_and_at_most_four(
    monkeypatch: pytest.MonkeyPatch,
    cores: int | None,
    all_cores: int | None,
    more: str,
    slots: int,
) -> None:
    if cores is None:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    else:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: all_cores)
    assert num_slots(load(more)) == slots


def test_an_address_replaces_the_files_and_leaves_what_each_slot_takes() -> None:
    load("executor: {kind: ray, address: auto, gpus_per_slot: 0.5}\n")
    executor = LaunchOptions(address="node1:6379").load("s.yaml").spec.executor
    assert (executor.kind, executor.options) == (
        "ray",
        {"address": "node1:6379", "gpus_per_slot": 0.5},
    )


TO_OTHERS = "executor: {kind: ray, address: node1:6379}\n"


def test_a_study_file_alone_sends_nothing_to_other_machines() -> None:
    with pytest.raises(ConfigurationError) as caught:
        refuse_places_of_the_file(load(TO_OTHERS))
    assert str(caught.value) == (
        "s.yaml:11:23: address node1:6379 gets the data and runs the code of the study, so the launch must name it, "
        "but only the file does\nadd --address node1:6379"
    )


def test_a_remedy_that_is_pasted_into_a_shell_runs_nothing_of_the_file() -> None:
    with pytest.raises(ConfigurationError) as caught:
        refuse_places_of_the_file(load("executor: {kind: ray, address: '$(id):1'}\n"))
    assert caught.value.remedy == "add --address '$(id):1'"


def test_a_check_and_a_launch_refuse_a_cluster_that_only_the_file_names(tmp_path: Path) -> None:
    load(TO_OTHERS)
    for call in (hinet_search.check, hinet_search.launch):
        with pytest.raises(ConfigurationError, match="only the file does"):
            call("s.yaml", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_that_is_only_looked_at_may_name_any_cluster(tmp_path: Path) -> None:
    load(TO_OTHERS)
    looked_at = api.ready("s.yaml", LaunchOptions(output=tmp_path / "out"), to_launch=False)
    assert looked_at.study.spec.executor.options["address"] == "node1:6379"


def test_other_machines_are_named_by_an_option_the_environment_or_a_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(TO_OTHERS)
    for options in (
        LaunchOptions(address="node1:6379"),
        LaunchOptions(settings={"executor.address": "node1:6379"}),
    ):
        refuse_places_of_the_file(options.load("s.yaml"))
    monkeypatch.setenv("HINET_SEARCH_ADDRESS", "node1:6379")
    refuse_places_of_the_file(LaunchOptions().load("s.yaml"))


@pytest.mark.parametrize(
    "executor", ["local", "ray", "{kind: ray, address: local, gpus_per_slot: 0.5}"]
)
def test_a_study_file_may_choose_an_executor_on_this_machine(executor: str) -> None:
    refuse_places_of_the_file(load(f"executor: {executor}\n"))


def test_another_executor_does_not_take_over_options() -> None:
    load("executor: {kind: ray, gpus_per_slot: 0.5}\n")
    executor = LaunchOptions(executor="local").load("s.yaml").spec.executor
    assert (executor.kind, executor.options) == ("local", {})


def test_a_word_for_a_kind_takes_options_that_are_set() -> None:
    load("executor: ray\nsampler: tpe\n")
    spec = (
        LaunchOptions(settings={"executor.gpus_per_slot": 0.5, "sampler.startup_trials": 3})
        .load("s.yaml")
        .spec
    )
    assert (spec.executor.kind, spec.executor.options) == ("ray", {"gpus_per_slot": 0.5})
    assert (spec.sampler.kind, spec.sampler.startup_trials) == ("tpe", 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"executor": "rya"},
            "--executor: 'rya' is not an executor, known: local, ray; did you mean 'ray'?",
        ),
        ({"address": "auto"}, "--address: unknown key 'address'"),
        (
            {"executor": "ray", "address": "nowhere"},
            "--address: address: must be local, auto or HOST:PORT",
        ),
    ],
)
def test_an_executor_is_checked_before_a_study_exists(given: dict[str, str], message: str) -> None:
    load()
    with pytest.raises(ConfigurationError) as caught:
        LaunchOptions(**given).load("s.yaml")  # type: ignore[arg-type]  # as a caller writes them
    assert caught.value.problems[0].startswith(message)


def test_a_wrong_option_of_an_executor_is_reported_at_its_line() -> None:
    with pytest.raises(ConfigurationError, match=r"s\.yaml:13:3: .*gpus"):
        load("executor:\n  kind: ray\n  gpus: 2\n")


def test_gpus_of_a_slot_are_a_share_of_one_or_whole() -> None:
    for number in ("0", "0.5", "1", "2"):
        load(f"executor: {{kind: ray, gpus_per_slot: {number}}}\n")
    with pytest.raises(ConfigurationError, match=r"at most 1 or a whole number.*got 1\.5"):
        load("executor: {kind: ray, gpus_per_slot: 1.5}\n")


SIZED = "sizes: {quick: {trials: 2, finalists: {top: 1, seeds: 2}}, whole: {}}\n"


def said(more: str = "", *, size: str | None = None, **settings: object) -> ResolvedStudy:
    load(more)
    return LaunchOptions(
        size=size, settings={name.replace("__", "."): value for name, value in settings.items()}
    ).load("s.yaml")


def test_a_setting_of_a_model_is_set_in_every_arm_and_searched_in_none() -> None:
    (arm,) = said(train__batch_size=512).arms
    assert arm.space.fixed["train.batch_size"] == 512
    assert arm.space.places["train.batch_size"] == "--set train.batch_size"
    assert "train.batch_size" not in arm.space.parameters


def test_a_key_of_the_study_is_set_beside_what_the_file_says() -> None:
    assert said(finalists__seeds=9).spec.finalists == FinalistSpec(top=2, seeds=9)
    assert said(data__minimum_frequency=3).spec.data.minimum_frequency == 3


def test_a_setting_of_one_arm_is_set_in_that_arm() -> None:
    (arm,) = said(arms__mmoe__fixed__train__batch_size=256).arms
    assert arm.space.fixed["train.batch_size"] == 256


def test_a_setting_stands_over_the_size_that_is_taken() -> None:
    spec = said(SIZED, trials=7, finalists__seeds=4).spec
    assert (spec.trials, spec.finalists) == (7, FinalistSpec(top=1, seeds=4))
    assert said(SIZED, size="whole", trials=7).spec.trials == 7


def test_a_setting_of_data_in_a_file_of_their_own_is_set_there() -> None:
    Path("rows.yaml").write_text(
        STUDY[STUDY.index("  source") : STUDY.index("arms")].replace("\n  ", "\n")[2:]
    )
    Path("s.yaml").write_text("data: rows.yaml\narms: {mmoe: }\nreference: mmoe\n")
    study = LaunchOptions(settings={"data.minimum_frequency": 3}).load("s.yaml")
    assert study.spec.data.minimum_frequency == 3
    Path("others.yaml").write_text(Path("rows.yaml").read_text().replace("user_id", "item_id"))
    study = LaunchOptions(settings={"data": "others.yaml"}).load("s.yaml")
    assert study.spec.data.features.categorical == ("item_id",)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trails", 3, "--set trails: unknown key 'trails'; did you mean 'trials'?"),
        ("trials", "many", "--set trials: trials: must be an integer, got 'many'"),
        ("trials.of", 3, "--set trials.of: 'trials' must be a mapping of keys, got 5"),
        (
            "train.epochs",
            3,
            "--set train.epochs: train.epochs must be the same for every arm; use the study's key 'epochs'",
        ),
        (
            "model.dropout",
            0.5,
            "--set model.dropout: arm mmoe holds model.dropout itself (s.yaml:7:23); set arms.mmoe.fixed.model.dropout too",
        ),
    ],
)
def test_a_setting_that_cannot_be_set_is_reported_at_its_origin(
    name: str, value: object, message: str
) -> None:
    Path("s.yaml").write_text(
        STUDY.replace("mmoe: }", "mmoe: {fixed: {model.dropout: 0.1}}}") + "reference: mmoe\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        LaunchOptions(settings={name: value}).load("s.yaml")
    assert caught.value.problems == (message,)


def test_the_environment_stands_over_the_file_and_an_option_over_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load("slots: 1\n")
    monkeypatch.setenv("HINET_SEARCH_SLOTS", "3")
    monkeypatch.setenv("HINET_SEARCH_DEVICE", "cpu")
    spec = LaunchOptions().load("s.yaml").spec
    assert (spec.slots, spec.device) == (3, "cpu")
    assert LaunchOptions(slots=2).load("s.yaml").spec.slots == 2
    monkeypatch.setenv("HINET_SEARCH_SLOTS", "three")
    with pytest.raises(
        ConfigurationError, match="HINET_SEARCH_SLOTS: slots: must be an integer, got 'three'"
    ):
        LaunchOptions().load("s.yaml")


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LaunchOptions(output=Path("out")).cache == Path("out/cache")
    monkeypatch.setenv("HINET_SEARCH_CACHE", "elsewhere")
    assert LaunchOptions(output=Path("out")).cache == Path("elsewhere")
