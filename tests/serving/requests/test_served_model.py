"""An exported folder opened for requests: its version, its threads, and what is refused."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hinet_search.common.errors import DataError
from hinet_search.serving.choice import GraphChoice
from hinet_search.serving.compiled.run import Compiled
from hinet_search.serving.compiled.write import write_compiled
from hinet_search.serving.predict import predictions
from hinet_search.serving.requests import served_model
from hinet_search.serving.requests.document import RequestColumns, columns_of
from hinet_search.serving.requests.served_model import ServedModel, open_served
from hinet_search.serving.sealed import seal
from tests.serving.requests.exported import table, write_export
from tests.serving.requests.test_wrong_rows import rows


def request(model: ServedModel, *places: int) -> RequestColumns:
    return columns_of(rows(*({"place": place} for place in places)), model.columns)


def test_another_file_is_another_version(tmp_path: Path) -> None:
    first, same, other = (
        open_served(write_export(tmp_path / name, seed=seed)).version
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == same != other


def test_rows_of_several_scenarios_are_scored_each_in_its_own(
    models: dict[str, ServedModel],
) -> None:
    model = models["plain"]
    mixed = model.score(request(model, 3, 1, 2, 1)).predicted_RT
    alone = [model.score(request(model, place)).predicted_RT[0] for place in (3, 1, 2, 1)]
    np.testing.assert_allclose(mixed, alone, atol=1e-6)
    assert len(np.unique(mixed[:3], axis=0)) == 3


def test_the_scorer_is_told_the_scenario_of_rows_of_one(models: dict[str, ServedModel]) -> None:
    reader = models["plain"].reader
    told = [
        reader.read(request(models["plain"], *places)).scenario for places in ((2, 2), (2, 1), ())
    ]
    assert told == ["Push", None, None]


def test_a_request_too_large_for_one_batch_gets_the_scores_of_predict(
    models: dict[str, ServedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models["plain"]
    users = list(range(served_model.ROWS_AT_ONCE + 4))
    places = [1 + user % 2 for user in users]
    columns = {name: [None] * len(users) for name in model.columns}
    columns |= {"place": places, "user": users}
    encoded = model.encoder.encode(model.reader.read(RequestColumns(columns, len(users))))
    in_parts = model.scorer.score(encoded, None)
    monkeypatch.setattr(served_model, "ROWS_AT_ONCE", len(users))
    whole = model.scorer.score(encoded, None)
    np.testing.assert_allclose(in_parts, whole, atol=1e-6)
    np.testing.assert_array_equal(in_parts, predictions(model.exported, encoded))


def test_threads_do_not_disturb_one_another(tmp_path: Path) -> None:
    model = open_served(write_export(tmp_path / "hinet", model="hinet"))
    columns = request(model, *[1] * 50)
    alone = model.score(columns).predicted_RT
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(model.score, [columns] * 40))
    assert all((each.predicted_RT == alone).all() for each in together)


def test_a_model_without_a_finite_score_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "huge")
    weights = load_file(folder / "weights.safetensors")
    huge = {name: np.full_like(weight, 1e38) for name, weight in weights.items()}
    save_file(huge, folder / "weights.safetensors")
    seal(folder)
    with pytest.raises(DataError, match="every row must get a finite score, but 3 rows cannot"):
        open_served(folder)


def test_a_folder_with_graphs_is_scored_by_them_as_by_its_networks(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "model")
    networks = open_served(folder)
    write_compiled(networks.exported, folder, GraphChoice(("torch",)), table().head(20))
    graphs = open_served(folder)
    assert isinstance(graphs.scorer, Compiled)
    assert graphs.version != networks.version
    for places in ((2, 2), (3, 1, 2)):
        np.testing.assert_allclose(
            graphs.score(request(graphs, *places)).predicted_RT,
            networks.score(request(networks, *places)).predicted_RT,
            atol=1e-5,
        )
