"""ONNX: graphs for onnxruntime and other runtimes; all graphs read their weights from one file."""

import hashlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from hinet_search.common import quiet
from hinet_search.common.errors import DataError, EnvironmentFault, shortened
from hinet_search.serving.compiled.layout import INPUTS, SCENARIO
from hinet_search.serving.compiled.program import Programs
from hinet_search.serving.compiled.run import Encoded, Run
from hinet_search.serving.sealed import AGAIN

if TYPE_CHECKING:
    from onnx_ir import Model

IS_CODE = False
SUFFIX = ".onnx"
WEIGHTS = "weights.bin"
READER = "score.py"
RUNTIME = "onnxruntime"
PACKAGES = ("onnx", RUNTIME, "onnxscript")
SMALLEST = 1024  # bytes of a weight that is kept outside its graph
ALIGNED = 4096  # weights begin at pages, so that runtimes can map them


def require() -> None:
    """EnvironmentFault unless the packages of the extra are installed."""
    _refuse_missing("--format onnx", PACKAGES)


def write(programs: Programs, folder: Path, output: str) -> None:
    """Write a graph for each program, the weights of all, each once, and the reader.

    The output of a graph has the name `output`.
    """
    from onnx_ir import serde

    with (folder / WEIGHTS).open("wb") as file:
        weights = _Weights(file)
        for name, program in programs:
            model = _graph(program, output)
            weights.take_out(model)
            graph = serde.serialize_model(model).SerializeToString()
            (folder / f"{name}{SUFFIX}").write_bytes(graph)
    shutil.copyfile(Path(__file__).parents[1] / READER, folder.parent / READER)


def opened(folder: Path, name: str) -> Run:
    """Open a graph in onnxruntime, with as many threads as torch has.

    DataError for a file that is no graph; running it raises DataError if it takes other inputs.
    """
    _refuse_missing("an ONNX graph", (RUNTIME,))
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    failures = (
        *(state.Fail, state.NoSuchFile, state.NoModel, state.InvalidProtobuf, state.InvalidGraph),
        *(state.InvalidArgument, state.RuntimeException, state.NotImplemented, state.EPFail),
    )
    path = folder / f"{name}{SUFFIX}"

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except failures as error:
        raise _no_graph(path, error) from error

    def run(encoded: Encoded) -> NDArray[np.float32]:
        try:
            (predicted_RT,) = session.run(None, dict(encoded))
        except (*failures, ValueError) as error:
            raise _no_graph(path, error) from error
        return np.asarray(predicted_RT)

    return run


def _no_graph(path: Path, error: Exception) -> DataError:
    reason = shortened(str(error).splitlines()[0])
    return DataError(f"{path}: must be a graph of this model, but is not: {reason}", remedy=AGAIN)


def reads_alike(
    compiled: Path,
    table: pa.Table,
    expected_RT: NDArray[np.float32],
    tolerance_RT: NDArray[np.float32],
) -> bool:
    """Whether the reader can encode a table, and scores it alike."""
    from hinet_search.serving.compiled.score import Scorer

    try:
        read_RT = Scorer(compiled).score(table)
    except (ValueError, pa.ArrowException):
        return False
    # NaN stands for a task that the scenario does not have.
    return np.allclose(read_RT, expected_RT, rtol=0, atol=tolerance_RT, equal_nan=True)


def _refuse_missing(what: str, packages: Sequence[str]) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise EnvironmentFault(
            f"{what} needs {', '.join(packages)}, but {', '.join(missing)} cannot be imported",
            remedy="pip install '.[onnx]' in a clone of hinet-search",
        )


def _graph(program: ExportedProgram, output: str) -> "Model":
    """Return the program as an ONNX graph."""
    with _without_hints():
        exported = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            input_names=[*INPUTS, SCENARIO][: len(program.graph_signature.user_inputs)],
            output_names=[output],
        )
    assert exported is not None, "without a path it is returned"
    return exported.model


@contextmanager
def _without_hints() -> Iterator[None]:
    """Keep torch from hints at optional packages, and at its own calls that will change."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with quiet.without(FutureWarning, DeprecationWarning):
            yield
    finally:
        logger.setLevel(level)


class _Weights:
    """The file of all weights; equal ones are written once."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.place_of: dict[bytes, int] = {}

    def take_out(self, model: "Model") -> None:
        """Write the larger weights of a graph to the file, and refer to them."""
        from onnx_ir import ExternalTensor, Shape

        for name, value in model.graph.initializers.items():
            tensor = value.const_value
            assert tensor is not None, "a program has its weights"
            if tensor.nbytes < SMALLEST:
                continue
            array = tensor.numpy()
            content = array.tobytes()
            value.const_value = ExternalTensor(
                WEIGHTS,
                self._place(content),
                len(content),
                tensor.dtype,
                shape=Shape(array.shape),
                name=name,
            )

    def _place(self, content: bytes) -> int:
        """Return where the bytes begin in the file."""
        digest = hashlib.sha256(content).digest()
        if digest not in self.place_of:
            self.file.write(bytes(-self.file.tell() % ALIGNED))
            self.place_of[digest] = self.file.tell()
            self.file.write(content)
        return self.place_of[digest]
