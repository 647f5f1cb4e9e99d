"""Nothing that is read from disk can run code: no pickle in any of its forms, weights and states as plain values."""

import ast
import hashlib
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import hinet_search
from hinet_search import api
from hinet_search.common.errors import DataError
from hinet_search.data.encoded_folder import open_dataset
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.checkpoint import Checkpoints
from tests.small import write_study

PACKAGE = Path(hinet_search.__file__).parent
PICKLES = {"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
PROXY = {"grpc", "run_grpc_proxy_server", "GrpcStorageProxy"}
RUNS = {"eval", "exec"}
WIRE = [
    PACKAGE / "executors" / "processes" / "__init__.py",
    PACKAGE / "executors" / "processes" / "slots.py",
]  # jobs and messages on their way between our own processes; no file is read


def unsafe(code: str) -> Iterator[str]:
    """Return the imports and calls in a file that could run code from what they read, or listen for callers."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names = {f"{module}.{alias.name}" for alias in node.names} - {
                "pickle.UnpicklingError"
            }  # an error only
            parts = {part for name in names for part in name.split(".")}
            yield from sorted(parts & (PICKLES | PROXY))
        elif isinstance(node, ast.Call):
            yield from _unsafe_call(node)


def _unsafe_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if name in RUNS or name.split(".")[-1] in PROXY:
        yield name
    if name == "torch.load" and given.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if name.startswith(("torch.jit.load", "torch.hub", "torch.package")):
        yield name
    if given.get("allow_pickle", "False") != "False":
        yield "allow_pickle"


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_no_file_of_the_package_unpickles_or_serves_storage(file: Path) -> None:
    assert list(unsafe(file.read_text(encoding="utf-8"))) == (["pickle"] if file in WIRE else [])


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "import torch.package, dill",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "numpy.load(path, allow_pickle=True)",
        "torch.hub.load('a', 'b')",
        "exec(text)",
        "from optuna.storages import run_grpc_proxy_server",
        "optuna.storages.run_grpc_proxy_server(storage)",
    ],
)
def test_the_scan_sees_it(code: str) -> None:
    assert list(unsafe(code))


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_the_payload_would_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_a_checkpoint_with_code_in_it_is_passed_over_and_not_run(tmp_path: Path, write) -> None:
    checkpoints = Checkpoints(tmp_path, "job")
    checkpoints.save(1, {"step": 1})
    checkpoints.finish()
    planted = tmp_path / "000002.checkpoint"
    write({"step": Payload(tmp_path / "ran")}, planted)
    manifest = {"job": "job", "step": 2, "sha256": hashlib.sha256(planted.read_bytes()).hexdigest()}
    planted.with_suffix(".json").write_text(json.dumps(manifest))
    with pytest.warns(
        UserWarning,
        match=r"000002\.checkpoint: a damaged checkpoint is skipped \(it holds more than plain",
    ):
        assert checkpoints.latest() == {"step": 1}
    assert not (tmp_path / "ran").exists()


def test_encoded_data_with_code_in_them_are_refused_and_not_run(tmp_path: Path) -> None:
    ready = api.ready(str(write_study(tmp_path)), LaunchOptions(output=tmp_path / "out"))
    dataset = ready.dataset.folder
    planted = np.array([Payload(tmp_path / "ran")], dtype=object)
    np.save(dataset / "frequencies.npy", planted, allow_pickle=True)
    with pytest.raises(DataError, match="allow_pickle=False"):
        open_dataset(dataset)
    assert not (tmp_path / "ran").exists()
