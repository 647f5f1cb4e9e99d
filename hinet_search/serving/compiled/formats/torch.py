"""torch: programs as .pt2 files, which torch runs in Python."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from hinet_search.serving.compiled.program import Programs, inputs_of
from hinet_search.serving.compiled.run import Encoded, Run

IS_CODE = False
SUFFIX = ".pt2"


def require() -> None:
    """Do nothing: torch is installed."""


def write(programs: Programs, folder: Path, _output: str) -> None:
    """Write a file for each program; each holds all of its weights. Outputs have no name."""
    for name, program in programs:
        torch.export.save(program, folder / f"{name}{SUFFIX}")


def opened(folder: Path, name: str) -> Run:
    """Open a program."""
    module = torch.export.load(folder / f"{name}{SUFFIX}").module()

    def run(encoded: Encoded) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(module(*inputs_of(encoded)))

    return run


def reads_alike(
    _compiled: Path,
    _table: pa.Table,
    _expected_RT: NDArray[np.float32],
    _tolerance_RT: NDArray[np.float32],
) -> bool:
    """Return true: programs come without a reader of tables, which could differ."""
    return True
