"""A shop whose study has every model as an arm, launched once for all tests of serving."""

import pytest

import hinet_search as hs
from tests.serving.shop import Shop, rows, study


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A done study of every model, with two seeds an arm."""
    folder = tmp_path_factory.mktemp("shop")
    rows().write_parquet(folder / "shop.parquet")
    path = folder / "shop.yaml"
    path.write_text(study())
    record = hs.launch(str(path), output=folder / "out")
    assert record.state == "done"
    return Shop(path, folder / "out", record)
