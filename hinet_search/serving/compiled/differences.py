"""Differences: how far predictions of rows are from those that are expected.

A difference of a probability counts as it is. That of an amount counts relative to the expected
amount, or to its unit (the mean amount of training) if that is larger.
Shape legend: R rows, T tasks.
"""

import numpy as np
from numpy.typing import NDArray

from hinet_search.serving.inputs import Inputs

Floats = NDArray[np.float32]


def differences(inputs: Inputs, predicted_RT: Floats, expected_RT: Floats) -> Floats:
    """Return the differences (R, T); NaN where a prediction is."""
    difference_RT: Floats = np.abs(predicted_RT - expected_RT) / sizes(inputs, expected_RT)
    return difference_RT


def sizes(inputs: Inputs, expected_RT: Floats) -> Floats:
    """Return what differences are relative to (R, T): never NaN, and 1 for probabilities."""
    larger_RT = np.fmax(expected_RT, inputs.units.astype(np.float32))
    return np.where(inputs.is_amount, larger_RT, np.float32(1))
