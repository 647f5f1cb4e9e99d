"""AOTInductor: programs compiled to machine code, which torch's C++ library runs without Python.

A package runs on processors and systems like those of the export, with the same torch.
"""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.common import quiet
from hinet_search.common.errors import EnvironmentFault
from hinet_search.serving.compiled.program import Programs, inputs_of
from hinet_search.serving.compiled.run import Encoded, Run

IS_CODE = True
SUFFIX = ".pt2"
COMPILERS = ("g++", "clang++")


def require() -> None:
    """EnvironmentFault unless there is a C++ compiler."""
    wanted = os.environ.get("CXX")
    names = (wanted,) if wanted else COMPILERS
    if not any(map(shutil.which, names)):
        raise EnvironmentFault(
            f"--format aoti needs a C++ compiler, but found no {' and no '.join(names)}",
            remedy="install g++ (apt-get install g++), or set CXX to a compiler",
        )


def write(programs: Programs, folder: Path, _output: str) -> None:
    """Compile each program into a file of its own, with its weights. Outputs have no name."""
    with TemporaryDirectory() as cache, quiet.without(FutureWarning, DeprecationWarning):
        from torch._inductor import aoti_compile_and_package
        from torch._inductor.utils import fresh_cache

        for name, program in programs:
            with fresh_cache(dir=cache):
                aoti_compile_and_package(program, package_path=str(folder / f"{name}{SUFFIX}"))


def opened(folder: Path, name: str) -> Run:
    """Open a package, which is machine code. One call runs at a time, others wait."""
    from torch._inductor import aoti_load_package

    package = aoti_load_package(str(folder / f"{name}{SUFFIX}"))

    def run(encoded: Encoded) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(package(*inputs_of(encoded)))

    return run


def reads_alike(*_rows: object) -> bool:
    """Return true: packages come without a reader of tables, which could differ."""
    return True
