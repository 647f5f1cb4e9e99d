"""CUDA graphs on the simulated device: operations that are noted once, and done again in place.

As on a GPU, a capture changes nothing: what it writes and draws is put back. A replay does the very
operations with the numbers, shapes and memory of the capture; Python does not run. What makes the
host wait, or copies from it, is an error in a capture.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from tests.device.simulated_tensor import SimulatedTensor, recording

_capturing: list["Graph"] = []


class CaptureError(RuntimeError):
    """A capture waited for the device, or copied to it."""


class Graph:
    """The operations of a capture."""

    def __init__(self) -> None:
        self.operations: list[tuple[Any, tuple, dict[str, Any], Any]] = []
        self.num_replays = 0

    def replay(self) -> None:
        self.num_replays += 1
        with torch.no_grad():
            for operation, given, named, results in self.operations:
                self._repeat(operation, given, named, results)

    def _repeat(self, operation: Any, given: tuple, named: dict[str, Any], results: Any) -> None:
        again = operation(*given, **named)
        for before, after in zip(tree_leaves(results), tree_leaves(again), strict=True):
            if not isinstance(before, SimulatedTensor):
                continue
            assert before.shape == after.shape, f"{operation} makes {after.shape}"
            if _memory(before) != _memory(after):  # neither a view nor written in place
                before.host.copy_(after.host)


class _Noting(TorchDispatchMode):
    """Notes operations, and keeps what they write to memory of before."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph
        self._made: dict[int, Tensor] = {}
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(
        self, operation: Any, _types: object, given: tuple = (), named: dict | None = None
    ) -> Any:
        named = named or {}
        self._keep(operation, given, named)
        results = operation(*given, **named)
        noted = tree_map(_memory_alone, (given, named, results))
        if any(map(_is_on_device, tree_leaves(noted))):
            self._graph.operations.append((operation, *noted))
        known = {_memory(leaf) for leaf in tree_leaves((given, named)) if _is_on_device(leaf)}
        for leaf in tree_leaves(results):
            if _is_on_device(leaf) and _memory(leaf) not in known:
                self._made[_memory(leaf)] = leaf
        return results

    def put_back(self) -> None:
        for whole, before in self._kept.values():
            whole.copy_(before)

    def _keep(self, operation: Any, given: tuple, named: dict[str, Any]) -> None:
        for place, argument in enumerate(operation._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            value = given[place] if place < len(given) else named.get(argument.name)
            for leaf in tree_leaves(value):
                is_new = _is_on_device(leaf) and _memory(leaf) not in self._kept
                if is_new and _memory(leaf) not in self._made:
                    whole = torch.empty(0, dtype=leaf.dtype).set_(leaf.host.untyped_storage())
                    self._kept[_memory(leaf)] = whole, whole.clone()


@contextmanager
def capture(graph: Graph, **_named: object) -> Iterator[None]:
    """Note the operations inside, without a lasting effect."""
    noting = _Noting(graph)
    generator = torch.default_generator.get_state()
    _capturing.append(graph)
    try:
        with recording() as traffic, noting:
            yield
    except torch.OutOfMemoryError:  # as CUDA does, whose message then is all that is seen
        raise CaptureError("operation failed due to a previous error during capture")  # noqa: B904
    finally:
        _capturing.clear()
        noting.put_back()
        torch.default_generator.set_state(generator)
    if traffic:
        raise CaptureError(f"not permitted while a stream is captured: {traffic}")


class _Stream:
    def wait_stream(self, _other: object) -> None:
        """Do nothing: all is done in order."""


def patch_graphs(patch: pytest.MonkeyPatch) -> None:
    """Let torch capture and replay on the simulated device."""
    patch.setattr(torch.cuda, "CUDAGraph", Graph)
    patch.setattr(torch.cuda, "graph", capture)
    patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: bool(_capturing))
    patch.setattr(torch.cuda, "Stream", _Stream)
    patch.setattr(torch.cuda, "current_stream", lambda *_: _Stream())
    patch.setattr(torch.cuda, "stream", lambda _stream: nullcontext())


def _is_on_device(value: object) -> bool:
    return isinstance(value, SimulatedTensor)


def _memory_alone(value: object) -> object:
    """Return another tensor of the same memory: the tensor itself would keep its gradients' graph."""
    return SimulatedTensor(value.host.detach()) if _is_on_device(value) else value


def _memory(tensor: SimulatedTensor) -> int:
    return tensor.host.untyped_storage().data_ptr()
