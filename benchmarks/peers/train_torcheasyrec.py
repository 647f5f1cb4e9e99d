"""Run TorchEasyRec's own trainer on a pipeline.config, on one CPU and without its own hosts.

    python train_torcheasyrec.py CLONE PROTOS --pipeline_config_path FILE

Runs in an environment that has torchrec and fbgemm-gpu-cpu. The feature generator, the sampler of a
graph and the reader of a cloud's tables come only from hosts of theirs: empty modules stand in for
them, as `fg_mode: FG_NONE` and Parquet files use none of them. PROTOS has the compiled messages.
"""

import os
import runpy
import sys
import types
from pathlib import Path
from typing import Any

VALUES = "graphlearn.python.data.values"
ABSENT = ("pyfg", "graphlearn", "graphlearn.python", "graphlearn.python.data", VALUES, "common_io")
ONE_PROCESS = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
ADDRESS = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}  # any that is free


class AnyClass(type):
    """A class whose attributes are such classes too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return AnyClass(name, (), {})


class StandIn(types.ModuleType):
    """A module of such classes, and of modules."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return AnyClass(name, (), {})


def main() -> None:
    clone, protos, *arguments = sys.argv[1:]
    sys.modules.update({name: StandIn(name) for name in ABSENT})
    for name in ("protos", "protos.models"):
        package = types.ModuleType(f"tzrec.{name}")
        package.__path__ = [str(Path(protos, *package.__name__.split(".")))]
        sys.modules[package.__name__] = package
    sys.path.insert(0, clone)
    os.environ.update(ONE_PROCESS | ADDRESS)
    sys.argv[1:] = arguments
    runpy.run_module("tzrec.train_eval", run_name="__main__")


if __name__ == "__main__":
    main()
