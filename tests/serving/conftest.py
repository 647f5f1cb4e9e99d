"""Shops whose studies are launched once for all tests of serving."""

from functools import partial

import pytest

from tests.serving.log_shop import SEQUENCES, STUDY, LogShop, launched, log_shop_in
from tests.serving.shop import Shop, launch_shop, launched_once, rows, shop_in, study


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A done study of every model, with two seeds an arm."""
    launch = partial(launch_shop, frame=rows(), text=study())
    return shop_in(launched_once(tmp_path_factory, "shop", launch))


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> LogShop:
    """A study whose models read events and sessions."""
    launch = partial(launched, study=STUDY)
    return log_shop_in(launched_once(tmp_path_factory, "events", launch))


@pytest.fixture(scope="session")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> LogShop:
    """A study whose models, and their ensemble, read sequences."""
    arms = ("din", "bst", "events", "trees", "ensemble")
    launch = partial(launched, study=SEQUENCES, arms=arms)
    return log_shop_in(launched_once(tmp_path_factory, "sequences", launch))
