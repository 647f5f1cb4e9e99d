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
    """Return the scores of the test rows (R, T).

    Columns of whole numbers that the study has as categories are taken as categories or as numbers,
    whichever is better on validation.
    """
    counted = [name for name in categorical if rows.frame[name].dtype.is_integer()]
    texts = [name for name in categorical if name not in counted]
    forms = [(categorical, numeric), (texts, [*counted, *numeric])]
    found = []
    for task in range(rows.labels_RT.shape[1]):
        fitted = [_fitted(rows, *form, task, seed) for form in forms[: 2 if counted else 1]]
        found.append(max(fitted, key=lambda each: each[0])[1])
    return np.stack(found, axis=1)


def _fitted(
    rows: Rows, categorical: list[str], numeric: list[str], task: int, seed: int
) -> tuple[float, NDArray[np.float64]]:
    """Return the AUC on validation, and the scores of the test rows (R,)."""
    inputs = rows.frame.select(*categorical, *numeric).to_pandas()
    inputs[categorical] = inputs[categorical].astype("category")
    inputs["scenario"] = rows.scenario_R
    train, valid, test = (inputs[rows.split_R == part] for part in (TRAIN, VALID, TEST))
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
    return model.best_score_["valid_0"]["auc"], np.asarray(model.predict_proba(test))[:, 1]
