"""Small trees, and rows whose labels they can learn."""

import numpy as np

from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.models.trees import Config, Model

SMALL = {
    "max_rounds": 12,
    "min_samples_leaf": 5,
    "max_leaf_nodes": 8,
    "learning_rate": 0.2,
    "l2": 1.0,
    "max_ids": 255,
    "category_smoothing": 1.0,
    "category_l2": 1.0,
}
LARGE_FIELD, SMALL_FIELD = 1000, 7
SCHEMA = Schema(
    ("home", "search", "push"),
    ("click", "order"),
    ("user", "hour"),
    (LARGE_FIELD, SMALL_FIELD),
    ("age", "price"),
)


def rows(num_rows: int = 600, seed: int = 0) -> Columns:
    """Return rows whose labels depend on the hour's id, the first number and the scenario.

    No threshold orders the hours.
    """
    generator = np.random.default_rng(seed)
    hour_R = generator.integers(0, SMALL_FIELD, num_rows)
    number_RN = generator.normal(size=(num_rows, 2))
    scenario_R = generator.integers(0, 3, num_rows)
    logit_R = 2.0 * np.isin(hour_R, [0, 4, 6]) - 1 + number_RN[:, 0] * (scenario_R == 1)
    noise_RT = generator.logistic(size=(num_rows, 2))
    return Columns(
        ids_RF=np.stack([generator.integers(0, LARGE_FIELD, num_rows), hour_R], axis=1).astype(
            np.int32
        ),
        numeric_RN=number_RN.astype(np.float32),
        scenario_R=scenario_R.astype(np.int16),
        labels_RT=(logit_R[:, None] + noise_RT > [0.0, 0.7]).astype(np.uint8),
        user_R=np.zeros(num_rows, np.int32),
        lists_RS=np.zeros((num_rows, 0), np.int32),
    )


def grown(
    columns: Columns | None = None, seed: int = 0, stages: int = 99, **options: float
) -> Model:
    """Return small trees after `stages` stages."""
    model = Model(Config.model_validate({**SMALL, **options}), SCHEMA)
    for number, _ in enumerate(model.stages(columns or rows(), seed), start=1):
        if number == stages:
            break
    return model
