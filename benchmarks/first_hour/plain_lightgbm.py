"""What a newcomer has without us: twenty lines of LightGBM on the rows of a study.

Shape legend: R rows of test, T tasks.
"""

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from hinet_search.data.rows import Rows

TRAIN, VALID, TEST = range(3)
SETTINGS: dict[str, Any] = {
    "n_estimators": 2_000,
    "learning_rate": 0.05,
    "n_jobs": 1,
    "verbose": -1,
}


def scores(
    rows: Rows, categorical: list[str], numeric: list[str], seed: int
) -> NDArray[np.float64]:
    """Return the scores of the test rows (R, T)."""
    inputs = rows.frame.select(*categorical, *numeric).to_pandas()
    inputs[categorical] = inputs[categorical].astype("category")
    inputs["scenario"] = rows.scenario_R
    train, valid, test = (inputs[rows.split_R == part] for part in (TRAIN, VALID, TEST))
    found = []
    for task in range(rows.labels_RT.shape[1]):
        label = rows.labels_RT[:, task]
        model = lightgbm.LGBMClassifier(random_state=seed, **SETTINGS)
        stop: list[Callable[..., Any]] = [lightgbm.early_stopping(50, verbose=False)]
        model.fit(
            train,
            label[rows.split_R == TRAIN],
            eval_X=valid,
            eval_y=label[rows.split_R == VALID],
            eval_metric="auc",
            callbacks=stop,
        )
        found.append(np.asarray(model.predict_proba(test))[:, 1])
    return np.stack(found, axis=1)
