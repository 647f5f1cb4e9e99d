"""A study of a frame: as a study file says it, with the same checks, from a notebook."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import hinet_search as hs
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.notebook.study_text import ARMS
from hinet_search.results.study_record import StudyRecord
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.load_study import load_study
from hinet_search.study.study_spec import StudySpec
from hinet_search.study.yaml_file import read
from tests.notebook.frames import SMALL, shop

ROLES: dict[str, Any] = {"scenario": "channel", "tasks": {"click": "is_click"}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def resolved(study: hs.Study) -> StudySpec:
    return load_study(study.file).spec


def refused(**keys: Any) -> hs.HinetSearchError:
    with pytest.raises(hs.HinetSearchError) as error:
        hs.Study("shop", **{"data": shop(), **ROLES, **keys})
    return error.value


def test_a_frame_without_a_named_column_is_not_written(folder: Path) -> None:
    with pytest.raises(hs.DataError):
        hs.Study("shop", shop(), scenario="chanel", tasks=["is_click"])
    assert not list(folder.rglob("*.parquet"))


def test_what_is_not_given_is_guessed_as_data_init_guesses_it(folder: Path) -> None:
    shop().write_parquet("rows.parquet")
    write_draft(Path("rows.parquet"), "rows", force=False)
    drafted = read(folder / "data" / "rows.yaml").parse(DataDefinition)
    study = hs.Study("shop", "rows.parquet")
    assert resolved(study).data.model_copy(update={"source": drafted.source}) == drafted
    full = load_study("studies/rows.yaml", "full").spec
    spec = resolved(study)
    assert (spec.parameters, spec.fixed, spec.epochs) == (full.parameters, full.fixed, full.epochs)
    assert {name: arm.model_dump(exclude_unset=True) for name, arm in full.arms.items()} == ARMS


def test_a_table_of_an_object_store_is_named_by_its_url(bucket: Path) -> None:
    shop().write_parquet(bucket / "rows.parquet")
    study = hs.Study("shop", "s3://bucket/rows.parquet", output="out")
    assert resolved(study).data.source.options == {"path": "s3://bucket/rows.parquet"}
    assert [file.name for file in Path("out/cache").rglob("*.parquet")] == ["rows.parquet"]


def test_a_given_weight_is_no_feature_of_the_guess() -> None:
    frame = shop().with_columns(worth=pl.col("user_id") % 5 + 0.5)
    guessed = resolved(hs.Study("shop", frame, **ROLES)).data
    data = resolved(hs.Study("weighted", frame, **ROLES, weight="worth")).data
    assert guessed.weight is None
    assert "worth" in guessed.features.numeric
    assert data.weight == "worth"
    assert "worth" not in data.features.seen_columns


WHOLE = {"features": {"categorical": ["channel"]}, "split": {"by": "random"}}


@pytest.mark.parametrize("given", [{}, WHOLE])
def test_none_as_the_scenario_is_one_for_all_rows_of_a_frame(given: dict[str, Any]) -> None:
    tasks = {"click": {"column": "is_click", "scenarios": ["All"]}}
    data = resolved(hs.Study("shop", shop(), scenario="none", tasks=tasks, **given)).data
    assert data.scenario.every_row == "All"
    assert data.features.seen_columns >= {"channel"}


def test_given_roles_shape_the_guess_of_the_others() -> None:
    frame = shop().with_columns(is_liked=pl.col("user_id") * 5 % 7 < 2)
    data = resolved(hs.Study("shop", frame, **ROLES, user="item_id")).data
    assert data.scenario.values == {"home": "home", "search": "search", "push": "push"}
    assert {name: task.column for name, task in data.tasks.items()} == {"click": "is_click"}
    assert data.user == "item_id"
    assert {"is_order", "is_liked"} <= set(data.never_features)


def test_given_keys_stand_as_they_are_given() -> None:
    split = {"by": "time", "valid_from": "2026-02-10", "test_from": "2026-02-12"}
    spec = resolved(
        hs.Study(
            "shop",
            shop(),
            scenario={"column": "channel", "values": {"home": "Home", "push": "Push"}},
            tasks={"good": {"column": "stars", "above": 3}, "order": "is_order"},
            features={"categorical": ("user_id",), "numeric": ["price", "is_click"]},
            split=split,
            time="shown_at",
            arms={"small": {"model": "mmoe"}, "trees": None},
            sampler="random",
            cost_limit=None,
            fixed={"train.patience": 2},
        )
    )
    assert spec.data.tasks["good"].above == 3
    assert spec.data.features.numeric == ("price", "is_click")
    assert spec.data.split.model_dump() == split
    assert (spec.arms["small"].model, spec.sampler.kind) == ("mmoe", "random")
    assert (spec.cost_limit, spec.fixed) == (None, {"train.patience": 2})


@pytest.mark.parametrize("unit", ["D", "us", "ns"])
def test_a_time_of_numpy_is_a_time_of_yaml(unit: Any) -> None:
    day = np.datetime64("2026-02-10", unit)
    split = {"by": "time", "valid_from": day, "test_from": np.datetime64("2026-02-12")}
    given = resolved(hs.Study("shop", shop(), **ROLES, split=split, time="shown_at")).data.split
    assert str(given.model_dump()["valid_from"]).startswith("2026-02-10")


def test_a_rule_of_a_task_counts_its_rows_in_the_guess() -> None:
    tasks = {"best": {"column": "stars", "at_least": 5}}
    data = resolved(hs.Study("shop", shop(), scenario="channel", tasks=tasks)).data
    assert data.tasks["best"].at_least == 5
    assert data.scenario.values
    assert "stars" not in data.features.seen_columns


def test_a_scenario_that_a_task_names_is_taken_however_few_rows_it_has() -> None:
    few = shop().filter((pl.col("channel") != "push") | (pl.col("item_id") == 0))
    order = {"column": "is_order", "scenarios": ["home", "push"]}
    tasks = {"click": "is_click", "order": order}
    data = resolved(hs.Study("shop", few, scenario="channel", tasks=tasks)).data
    assert set((data.scenario.values or {}).values()) == {"home", "push", "search"}
    without = {"click": "is_click", "order": "is_order"}
    guessed = resolved(hs.Study("other", few, scenario="channel", tasks=without)).data
    assert set((guessed.scenario.values or {}).values()) == {"home", "search"}


@pytest.mark.parametrize("label", [None, 0], ids=["missing", "0"])
def test_a_scenario_that_is_said_to_have_no_orders_is_not_left_out_for_that(
    label: int | None,
) -> None:
    is_push = pl.col("channel") == "push"
    frame = shop().with_columns(
        is_order=pl.when(is_push).then(pl.lit(label, pl.Int8)).otherwise("is_order")
    )
    tasks = {"click": "is_click", "order": {"column": "is_order", "scenarios": ["home", "search"]}}
    data = resolved(hs.Study("shop", frame, scenario="channel", tasks=tasks)).data
    assert set(data.scenario.names) == {"home", "search", "push"}
    assert data.absent_cells(["home", "search", "push"]) == (("push", "order"),)


def test_a_list_of_columns_names_tasks_and_a_list_of_models_arms() -> None:
    study = hs.Study("shop", shop(), tasks=["is_click", "is_order"], arms=["hinet", "trees"])
    assert list(resolved(study).data.tasks) == ["click", "order"]
    assert list(resolved(study).arms) == ["hinet", "trees"]


def test_a_guessed_start_gives_way_to_what_is_given_or_not_searched() -> None:
    given = {"train.batch_size": 256, "train.patience": 9}
    fixed = resolved(hs.Study("shop", shop(), **ROLES, arms=["mmoe"], fixed=given))
    assert "train.batch_size" not in fixed.parameters
    assert fixed.fixed == {**given, "train.evaluations_per_epoch": 4}
    rate = {"train.learning_rate": {"default": 0.002}}
    searched = resolved(hs.Study("shop", shop(), **ROLES, arms=["mmoe"], parameters=rate))
    assert searched.parameters["train.learning_rate"].given == {"default": 0.002}
    assert resolved(hs.Study("shop", shop(), **ROLES, arms=["trees"])).parameters == {}


def test_the_text_is_a_study_that_can_be_loaded_from_another_file(folder: Path) -> None:
    study = hs.Study("shop", shop(), **ROLES)
    (folder / "copy.yaml").write_text(study.to_yaml())
    assert load_study("copy.yaml").spec == resolved(study)
    assert load_study("copy.yaml").name == "shop"


def test_a_file_that_another_study_wrote_over_is_written_again() -> None:
    first = hs.Study("shop", shop(), **ROLES, trials=3)
    hs.Study("shop", shop(), **ROLES, trials=4)
    assert resolved(first).trials == 3


def test_a_study_is_shown_with_its_guesses_and_escaped() -> None:
    odd = shop().rename({"channel": "<b>"})
    study = hs.Study("shop", odd, scenario="<b>", tasks=["is_click"], arms=["mmoe"])
    said = "<Study shop: 600 rows, 8 columns; scenarios of <b>; tasks click; arms mmoe>"
    assert repr(study) == said
    shown = study._repr_html_()
    assert "guesses to check" in shown
    assert f"<pre>{escape(study.to_yaml())}</pre>" in shown
    assert "<b>" not in shown


@pytest.mark.parametrize(
    ("keys", "kind", "problem"),
    [
        (
            {"scenario": "chanel"},
            hs.DataError,
            "scenario: column 'chanel' is not in the table; did you mean 'channel'?",
        ),
        (
            {"trails": 3},
            hs.ConfigurationError,
            "Study: unknown keyword 'trails'; did you mean 'trials'?",
        ),
        (
            {"tasks": 3},
            hs.ConfigurationError,
            "tasks: must be a mapping of names to columns, or a list of columns, got 3",
        ),
        (
            {"never_features": {"stars", "price"}},
            hs.ConfigurationError,
            "never_features: must be a number, a text, a date, a list or a mapping of these, got set",
        ),
        ({"name": "a/b"}, hs.ConfigurationError, "name: a study's name must be"),
        ({"data": "none.parquet"}, hs.DataError, "data: 'none.parquet' must be a file"),
        (
            {"data": shop().select("price", "channel", "user_id"), "tasks": None},
            hs.DataError,
            "data: a column of 0 and 1 (a label) is needed",
        ),
    ],
)
def test_wrong_keywords_are_refused_at_once(
    keys: dict[str, Any], kind: type[hs.HinetSearchError], problem: str
) -> None:
    with pytest.raises(kind) as error:
        hs.Study(**{"name": "shop", "data": shop(), **ROLES, **keys})
    assert error.value.problems[0].startswith(problem)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"arms": ["mmeo"]}, "'mmeo' is not a model"),
        ({"trials": "many"}, "trials: must be an integer, got 'many'"),
        ({"tasks": {"click": {"colum": "is_click"}}}, "key 'data.tasks.click.column' is needed"),
        ({"features": {"numeric": ["prise"]}}, "data.features.numeric: column 'prise' is not in"),
    ],
)
def test_wrong_values_are_refused_with_their_line_as_in_a_study_file(
    keys: dict[str, Any], problem: str
) -> None:
    first = refused(**keys).problems[0]
    place, _, said = first.partition(": ")
    assert place.startswith(".hinet-search/frames/shop.yaml:")
    line = Path(place.split(":")[0]).read_text().splitlines()[int(place.split(":")[1]) - 1]
    assert line.strip()
    assert said.startswith(problem)


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyRecord]:
    """A folder in which a study of the frame was launched from Python."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        record = small(shop()).launch()
    return folder, record


def small(frame: pl.DataFrame) -> hs.Study:
    return hs.Study("shop", frame, **ROLES, arms=["shared_bottom"], **SMALL)


@pytest.fixture
def record(launched: tuple[Path, StudyRecord], monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """The record of the launched study, in whose folder the test runs."""
    folder, record = launched
    monkeypatch.chdir(folder)
    return record


def test_a_launched_study_is_found_by_its_name_as_any_other(record: StudyRecord) -> None:
    assert record.state == "done"
    assert hs.load("shop").trials.equals(record.trials)
    assert small(shop()).load().trials.equals(record.trials)
    assert Path("reports", "shop.html").is_file()


def test_the_same_values_in_another_frame_resume_the_study(record: StudyRecord) -> None:
    again = hs.Study("shop", shop().to_arrow(), **ROLES, arms=["shared_bottom"], **SMALL).launch()
    assert again.trials.equals(record.trials)
    assert len(list(Path(".hinet-search", "frames").glob("*.parquet"))) == 1


@pytest.mark.usefixtures("record")
def test_another_frame_is_refused() -> None:
    with pytest.raises(hs.StudyConflict, match="study 'shop' exists with another"):
        small(shop().with_columns(price=pl.col("price") + 1)).launch()


@pytest.mark.usefixtures("record")
def test_the_winner_of_a_frame_is_exported() -> None:
    exported = small(shop()).export("winner", arm="shared_bottom")
    assert exported.arm == "shared_bottom"


def test_fields_of_objects_are_columns_of_a_study_and_of_the_rows_to_predict() -> None:
    frame = shop().with_columns(
        price=None, stars=None, item=pl.struct(price=pl.col("price"), stars=pl.col("stars"))
    )
    keys = {**ROLES, "features": {"numeric": ["item.price", "item.stars"]}}
    split = {"by": "random", "seed": 1, "valid": 0.2, "test": 0.2}
    study = hs.Study("shop", frame, **keys, split=split, arms=["shared_bottom"], **SMALL)
    study.launch()
    study.export("winner", arm="shared_bottom")
    frame.write_ndjson("rows.jsonl")
    hs.predict("winner", "rows.jsonl", "scores.parquet")
    scores = pl.read_parquet("scores.parquet")
    assert scores["click"].n_unique() > 10
    assert hs.load_model("winner").predict(frame).equals(scores.select("click"))
