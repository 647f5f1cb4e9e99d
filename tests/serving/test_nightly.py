"""nightly: each night's rows are learned from and judged; one whole model is served, always."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import hinet_search as hs
from hinet_search.common.errors import (
    ConfigurationError,
    DataError,
    EnvironmentFault,
    HinetSearchError,
)
from hinet_search.serving.nightly import night as nights
from hinet_search.serving.nightly.models_folder import ModelsFolder
from hinet_search.serving.sealed import manifest_hash
from tests.serving.newer_shop import FIRST, newer_rows, probabilities
from tests.serving.shop import Shop, edited

RATE = 1e-2
ROWS = 1600


@pytest.fixture(scope="module")
def shipped(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HiNet of the shop, exported; its configuration allows more passes, of smaller batches."""
    folder = shop.export("hinet", tmp_path_factory.mktemp("shipped") / "model").folder
    edited(folder, {"passes: 1.0": "passes: 3.0", "batch_size: 128": "batch_size: 64"})
    return folder


@pytest.fixture
def night(shipped: Path, tmp_path: Path) -> Callable[..., hs.Night]:
    """Runs a night on rows of its own, numbered from 1."""

    def run(
        number: int,
        change: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
        registry: str | None = None,
    ) -> hs.Night:
        frame = newer_rows(ROWS, seed=number, first=FIRST + (number - 1) * ROWS)
        path = tmp_path / f"night-{number}.parquet"
        (frame if change is None else change(frame)).write_parquet(path)
        return hs.nightly(shipped, path, tmp_path / "served", learning_rate=RATE, registry=registry)

    return run


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    text = (tmp_path / "served" / "nights.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def links(tmp_path: Path) -> dict[str, str]:
    root = tmp_path / "served"
    return {
        name: str((root / name).readlink())
        for name in ("current", "previous")
        if (root / name).is_symlink()
    }


def tastes_reversed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(clicked=1 - pl.col("clicked"), bought=1 - pl.col("bought"))


def test_a_better_model_is_served_and_the_one_before_is_kept(
    night: Callable[..., hs.Night], shipped: Path, tmp_path: Path
) -> None:
    made = night(1)
    assert (made.outcome, made.served, made.made, made.num_rows) == (
        "promoted",
        "0001",
        "0001",
        ROWS,
    )
    assert made.by_refit is not None
    assert made.by_refit.low is not None
    assert 0 < made.by_refit.low < made.by_refit.mean
    assert made.over_shipped is None  # the shipped model was served
    assert links(tmp_path) == {"current": "models/0001", "previous": "models/0000"}
    assert lines(tmp_path)[0]["by_refit"]["mean"] == made.by_refit.mean
    frame = newer_rows(100, seed=9)
    served = probabilities(tmp_path / "served" / "current", frame, tmp_path)
    assert abs(served - probabilities(shipped, frame, tmp_path)).max() > 0.1


def test_a_registry_that_is_away_is_a_warning_in_the_line_and_changes_nothing_else(
    night: Callable[..., hs.Night], shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    made = night(1, registry="shop")
    assert (made.outcome, made.served) == ("promoted", "0001")
    assert "registry: shop of MLflow lacks what is served: no answer" in made.warnings[0]
    assert lines(tmp_path)[0]["warnings"] == list(made.warnings)
    warnings: list[str] = []
    hs.roll_back(shipped, tmp_path / "served", registry="shop", warn=warnings.append)
    assert links(tmp_path)["current"] == "models/0000"
    assert warnings == list(made.warnings)


def test_a_night_that_is_stopped_while_a_registry_takes_its_model_is_noted(
    night: Callable[..., hs.Night], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(name: str, _: ModelsFolder, made: list[hs.Night]) -> None:
        assert (name, made[-1].num_rows) == ("shop", ROWS), "this night is among those shown"
        raise KeyboardInterrupt

    monkeypatch.setattr(nights, "register", stop)
    with pytest.raises(KeyboardInterrupt):
        night(1, registry="shop")
    assert [line["outcome"] for line in lines(tmp_path)] == ["promoted"]


def test_later_nights_are_also_compared_with_the_shipped_model(
    night: Callable[..., hs.Night], tmp_path: Path
) -> None:
    night(1)
    second = night(2)
    assert second.over_shipped is not None
    assert second.over_shipped.low is not None
    assert second.over_shipped.low > 0.05
    assert not any("below the shipped model" in alarm for alarm in second.alarms)
    assert [line["outcome"] for line in lines(tmp_path)] == ["promoted", "promoted"]


def test_the_same_rows_again_change_nothing(night: Callable[..., hs.Night], tmp_path: Path) -> None:
    night(1)
    before = manifest_hash(tmp_path / "served" / "current")
    assert night(1).outcome == "learned before"
    assert manifest_hash(tmp_path / "served" / "current") == before
    assert links(tmp_path)["previous"] == "models/0000"


def test_a_model_that_is_shown_to_be_worse_is_not_served(
    shipped: Path, night: Callable[..., hs.Night], tmp_path: Path
) -> None:
    night(1)
    path = tmp_path / "night-2.parquet"
    newer_rows(ROWS, seed=2, first=FIRST + ROWS).write_parquet(path)
    kept = hs.nightly(shipped, path, tmp_path / "served", learning_rate=1.0)
    assert (kept.outcome, kept.served, kept.made) == ("kept", "0001", "")
    assert links(tmp_path)["current"] == "models/0001"
    assert not (tmp_path / "served" / "models" / "0002").exists()


def test_a_model_that_nights_have_made_worse_than_the_shipped_one_is_alarmed(
    night: Callable[..., hs.Night],
) -> None:
    night(1, tastes_reversed)
    second = night(2)
    assert second.over_shipped is not None
    assert second.over_shipped.high is not None
    assert second.over_shipped.high < 0
    assert any(alarm.startswith("below the shipped model: ") for alarm in second.alarms)


def test_a_column_that_breaks_is_alarmed_by_its_name(night: Callable[..., hs.Night]) -> None:
    night(1)
    broken = night(2, lambda frame: frame.with_columns(price=pl.lit(0.0)))
    assert any("price" in alarm for alarm in broken.alarms)


def test_rows_of_a_scenario_that_the_model_lacks_are_left_out_and_alarmed_once(
    night: Callable[..., hs.Night], tmp_path: Path
) -> None:
    def with_others(frame: pl.DataFrame) -> pl.DataFrame:
        is_other = pl.int_range(pl.len()) % 8 == 0
        return frame.with_columns(place=pl.when(is_other).then(9).otherwise("place"))

    first = night(1, with_others)
    assert (first.outcome, first.num_rows) == ("promoted", ROWS * 7 // 8)
    assert first.other_scenarios == {"'9'": ROWS // 8}
    assert "scenario '9': the model does not have it; 200 rows left out" in first.alarms
    second = night(2, with_others)
    assert second.other_scenarios == first.other_scenarios
    assert not any("'9'" in alarm for alarm in second.alarms)
    without = night(3, lambda frame: frame.with_columns(place=pl.col("place") % 3 + 1))
    assert without.other_scenarios == {}
    with pytest.raises(DataError, match="got no rows"):
        night(4, lambda frame: frame.with_columns(place=9))
    assert lines(tmp_path)[-1]["outcome"] == "refused"


def test_rows_that_cannot_be_learned_from_leave_the_model_and_say_why(
    night: Callable[..., hs.Night], tmp_path: Path
) -> None:
    night(1)
    with pytest.raises(DataError, match="clicked"):
        night(2, lambda frame: frame.drop("clicked"))
    refused = lines(tmp_path)[-1]
    assert (refused["outcome"], refused["served"]) == ("refused", "0001")
    assert "clicked" in refused["alarms"][0]
    assert night(3).outcome == "promoted"


def test_a_night_without_rows_is_refused_and_the_next_goes_on(
    night: Callable[..., hs.Night], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no rows"):
        night(1, lambda frame: frame.clear())
    assert lines(tmp_path)[0]["served"] == "0000"
    assert night(2).served == "0001"


def test_of_two_nights_at_once_the_second_is_refused(
    night: Callable[..., hs.Night], tmp_path: Path
) -> None:
    with (
        ModelsFolder(tmp_path / "served").held(),
        pytest.raises(EnvironmentFault, match="another night is running"),
    ):
        night(1)
    assert night(1).outcome == "promoted"


@pytest.mark.parametrize("step", [0, 1, 3, 5, 6])
def test_a_night_that_is_killed_leaves_a_whole_model_and_the_next_run_ends_it(
    night: Callable[..., hs.Night],
    shipped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    """A step is a change of the disk: a copy, a link that is made or put in place, or the line."""
    done = 0

    def killed_at(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            if done == step:
                raise KeyboardInterrupt
            done += 1
            return change(*arguments, **options)

        return changed

    with monkeypatch.context() as killed:
        killed.setattr(Path, "symlink_to", killed_at(Path.symlink_to))
        killed.setattr(ModelsFolder, "_point", killed_at(ModelsFolder._point))
        killed.setattr(ModelsFolder, "note", killed_at(ModelsFolder.note))
        with pytest.raises(KeyboardInterrupt):
            night(1)
    served = tmp_path / "served" / "current"
    if served.exists():
        assert probabilities(served, newer_rows(50, seed=9), tmp_path).shape == (50, 2)
    ended = night(1)
    assert ended.served == "0001"
    assert served.resolve().name == "0001"
    assert lines(tmp_path)[-1]["served"] == "0001"
    names = {each.name for each in (tmp_path / "served" / "models").iterdir()}
    assert names == {"0000", "0001", "0001.delta"}


def test_a_night_can_be_rolled_back_and_forth(
    night: Callable[..., hs.Night], shipped: Path, tmp_path: Path
) -> None:
    night(1)
    assert hs.roll_back(shipped, tmp_path / "served").name == "0000"
    assert links(tmp_path) == {"current": "models/0000", "previous": "models/0001"}
    assert hs.roll_back(shipped, tmp_path / "served").name == "0001"


def test_there_is_nothing_to_roll_back_to_before_a_night_was_promoted(
    shipped: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="must have a model from before"):
        hs.roll_back(shipped, tmp_path / "served")


def test_of_the_shipped_folder_only_what_the_model_is_read_from_is_copied(
    shipped: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(shipped, copied)
    (copied / "stray").symlink_to("/dev/zero")
    models = ModelsFolder(tmp_path / "served")
    with models.held():
        models.follow(copied)
    names = {each.name for each in models.shipped.iterdir()}
    assert names == {
        "config.yaml",
        "profile.json",
        "manifest.json",
        "card.md",
        "encoding",
        "weights.safetensors",
    }
    (copied / "weights.safetensors").write_bytes(b"other")
    another = ModelsFolder(tmp_path / "another")
    with another.held(), pytest.raises(DataError, match="has changed"):
        another.follow(copied)
    assert not (tmp_path / "another" / "models").exists()


def test_a_password_in_the_address_of_rows_is_not_noted(shipped: Path, tmp_path: Path) -> None:
    address = "https://reader:secret@127.0.0.1:1/monday.parquet"
    with pytest.raises(HinetSearchError):
        hs.nightly(shipped, address, tmp_path / "served")
    text = "".join(each.read_text() for each in (tmp_path / "served").glob("*.jsonl"))
    assert "secret" not in text


def test_old_models_go_but_never_the_shipped_one_or_what_links_name(tmp_path: Path) -> None:
    models = ModelsFolder(tmp_path)
    for number in range(6):
        models.model(f"{number:04}").mkdir(parents=True)
        models.model(f"{number:04}.delta").touch()
    (tmp_path / "models" / "notes").mkdir()
    (tmp_path / "models" / "00001").symlink_to(tmp_path / "models" / "notes")
    (tmp_path / "current").symlink_to("models/0002")
    (tmp_path / "previous").symlink_to("models/0001")
    models.keep(2)
    names = {each.name for each in (tmp_path / "models").iterdir()}
    kept = {"0000", "0001", "0002", "0004", "0005"}
    assert names == kept | {f"{name}.delta" for name in kept} | {"notes", "00001"}


def test_a_folder_of_another_model_or_of_other_things_is_refused(
    night: Callable[..., hs.Night], shop: Shop, tmp_path: Path
) -> None:
    night(1)
    other = shop.export("mmoe", tmp_path / "other").folder
    path = tmp_path / "night-1.parquet"
    with pytest.raises(ConfigurationError, match="but began with another model"):
        hs.nightly(other, path, tmp_path / "served")
    with pytest.raises(ConfigurationError, match="must be a new folder, or one of earlier nights"):
        hs.nightly(other, path, tmp_path)


@pytest.mark.parametrize("target", ["/etc", "models/..", "models/0001/../../..", "elsewhere"])
def test_a_link_that_names_no_model_of_the_folder_is_refused(
    shipped: Path, tmp_path: Path, target: str
) -> None:
    models = ModelsFolder(tmp_path / "served")
    with models.held():
        models.follow(shipped)
    current = tmp_path / "served" / "current"
    current.unlink()
    current.symlink_to(target)
    with pytest.raises(ConfigurationError, match="must be a link to one of "):
        hs.nightly(shipped, tmp_path / "rows.parquet", tmp_path / "served")
    assert str(current.readlink()) == target
