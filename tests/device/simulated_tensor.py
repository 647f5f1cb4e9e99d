"""Tensors of a simulated CUDA device: they say `cuda:0`, and hold their numbers in host memory.

As on a GPU, an operation on tensors of the host and of the device is an error, and what would make
the host wait, or copy to the device, is noted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import walk_stack
from typing import Any, Literal

import torch
from torch import Tensor
from torch._C import _functorch

DEVICE = torch.device("cuda", 0)
HOST = torch.device("cpu")
aten = torch.ops.aten
INDEXING = (
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
)
# Their results are as large as values on the device say, or are values on the host.
WAITING = (
    aten._local_scalar_dense.default,
    aten._unique2.default,
    aten.equal.default,
    aten.is_nonzero.default,
    aten.masked_select.default,
    aten.nonzero.default,
    aten.unique_dim.default,
)


class MixedDevicesError(RuntimeError):
    """An operation got tensors of the host and of the device."""


@dataclass(frozen=True)
class Traffic:
    """The host waited for the device, or copied to it; `place` is the line that asked for it."""

    kind: Literal["wait", "copy"]
    operation: str
    place: str


_noted: list[Traffic] = []


@contextmanager
def recording() -> Iterator[list[Traffic]]:
    """Yield a list, which has all traffic of the block at its end."""
    traffic: list[Traffic] = []
    first = len(_noted)
    yield traffic
    traffic += _noted[first:]


def note(kind: Literal["wait", "copy"], operation: object) -> None:
    """Add to the traffic what the line of the package that runs now has caused."""
    callers = ((frame.f_code.co_filename, line) for frame, line in walk_stack(None))
    ours = (f"{file}:{line}" for file, line in callers if "/hinet_search/" in file)
    _noted.append(Traffic(kind, str(operation), next(ours, "a test")))


class SimulatedTensor(Tensor):
    """A tensor on the device; `host` has its numbers."""

    host: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, host: Tensor) -> "SimulatedTensor":
        dense = host.layout == torch.strided
        # To C++ it is on the CPU: the gradients of a CUDA tensor need a CUDA build of torch.
        tensor = Tensor._make_wrapper_subclass(
            cls,
            host.size(),
            strides=host.stride() if dense else None,
            storage_offset=host.storage_offset() if dense else None,
            dtype=host.dtype,
            device=HOST,
        )
        tensor.host = host
        return tensor

    @classmethod
    def __torch_dispatch__(
        cls, operation: Any, _types: object, given: tuple = (), named: dict | None = None
    ) -> Any:
        return run(operation, given, named or {})

    def __repr__(self) -> str:
        return f"{self.host!r} on {DEVICE}"

    def __deepcopy__(self, memo: dict[int, object]) -> "SimulatedTensor":
        copied = SimulatedTensor(self.host.detach().clone()).requires_grad_(self.requires_grad)
        if isinstance(self, torch.nn.Parameter):
            copied._is_param = True
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.host.detach().__reduce_ex__(protocol)

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, other: "SimulatedTensor") -> None:
        if not isinstance(other, SimulatedTensor):
            raise MixedDevicesError(f"data of a tensor on {DEVICE} must be there too")
        self.host = other.host

    @property
    def is_sparse(self) -> bool:
        return self.host.is_sparse

    def is_coalesced(self) -> bool:
        return self.host.is_coalesced()

    def coalesce(self) -> Tensor:
        if not self.host.is_coalesced():
            note("wait", "coalesce")
        return SimulatedTensor(self.host.coalesce())

    def indices(self) -> Tensor:
        return SimulatedTensor(self.host.indices())

    def values(self) -> Tensor:
        return SimulatedTensor(self.host.values())

    def tolist(self) -> Any:
        note("wait", "tolist")
        return self.host.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        raise MixedDevicesError(f"numpy() of a tensor on {DEVICE}")


def is_on_device(tensor: object) -> bool:
    """Return whether a tensor is on the device, inside `torch.func.vmap` too."""
    while isinstance(tensor, Tensor) and _functorch.is_functorch_wrapped_tensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return isinstance(tensor, SimulatedTensor)


def to_host(tensor: SimulatedTensor) -> Tensor:
    """Copy from the device; the host waits."""
    note("wait", "copy to the host")
    return tensor.detach().host.clone()


def run(operation: Any, given: tuple, named: dict[str, Any]) -> Any:
    """Run an operation as the device would, on the numbers in host memory."""
    tensors = list(_tensors((*given, *named.values())))
    on_device = [tensor for tensor in tensors if isinstance(tensor, SimulatedTensor)]
    on_host = [tensor for tensor in tensors if not isinstance(tensor, SimulatedTensor)]
    makes_on_device = "device" in named and torch.device(named["device"] or HOST).type == "cuda"
    if not on_device and not makes_on_device:
        return operation(*given, **named)
    if operation is aten.is_pinned.default:
        return False
    if operation is aten._to_copy.default and on_host:
        _note_copy(given[0], is_asked_not_to_wait=named.get("non_blocking", False))
    elif operation is aten.copy_.default and on_host and on_device:
        if given[0] is on_device[0]:
            _note_copy(given[1], is_asked_not_to_wait=given[2] if given[2:] else False)
        else:
            note("wait", operation)
    elif on_device:
        _refuse_mixed(operation, given, on_host)
        _note_traffic(operation, given, named)
    return _computed(operation, given, named)


def _computed(operation: Any, given: tuple, named: dict[str, Any]) -> Any:
    of_numbers = {name: _numbers(value) for name, value in named.items() if name != "pin_memory"}
    if "device" in named:
        of_numbers["device"] = HOST
    result = operation(*_numbers(given), **of_numbers)
    returned = operation._schema.returns
    if returned and returned[0].alias_info is not None and returned[0].alias_info.is_write:
        return _written(operation, given, named)  # the tensor itself, not another one around it
    return _on_device(result)


def _tensors(given: Sequence[Any]) -> Iterator[Tensor]:
    for value in given:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)


def _numbers(given: Any) -> Any:
    if isinstance(given, SimulatedTensor):
        return given.host
    return [_numbers(value) for value in given] if isinstance(given, tuple | list) else given


def _on_device(result: Any) -> Any:
    if isinstance(result, Tensor):
        return SimulatedTensor(result)
    if isinstance(result, tuple | list):
        return type(result)(_on_device(value) for value in result)
    return result


def _written(operation: Any, given: tuple, named: dict[str, Any]) -> Any:
    for place, argument in enumerate(operation._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            return named[argument.name] if argument.name in named else given[place]
    raise AssertionError(f"{operation} returns what it writes")


def _note_copy(host: Tensor, *, is_asked_not_to_wait: bool) -> None:
    note("copy", "to the device")
    if not (is_asked_not_to_wait and getattr(host, "is_pinned_here", False)):
        note("wait", "copy to the device")


def _note_traffic(operation: Any, given: tuple, named: dict[str, Any]) -> None:
    counts = operation is aten.repeat_interleave.Tensor and named.get("output_size") is None
    if operation in WAITING or counts:
        note("wait", operation)
    if operation in INDEXING:
        for index in given[1]:
            if index is not None and index.dtype in (torch.bool, torch.uint8):
                note("wait", operation)
            if index is not None and not isinstance(index, SimulatedTensor):
                note("copy", operation)
                note("wait", operation)


def _refuse_mixed(operation: Any, given: tuple, on_host: Sequence[Tensor]) -> None:
    """Refuse tensors of the host beside those of the device; a scalar is an argument of a kernel.

    Not refused is what torch itself makes where C++ says that the device is: zeros in the place of
    a gradient that there is not, and the offsets of a look-up in a stack.
    """
    others = [tensor for tensor in on_host if tensor.dim() > 0]
    if operation in INDEXING:  # row numbers may be of the host; they are copied
        others = [tensor for tensor in others if all(tensor is not index for index in given[1])]
    if not others:
        return
    is_gradient = torch._C._current_graph_task_id() != -1
    if is_gradient and not any(tensor.any() for tensor in others):
        return
    if operation is aten.add.Tensor and _looks_up_in_stack():
        return
    shapes = [list(tensor.shape) for tensor in others]
    raise MixedDevicesError(f"{operation} on {DEVICE} got tensors of the host: {shapes}")


def _looks_up_in_stack() -> bool:
    """Return whether `embedding` runs in a vmap: it adds offsets to the row numbers."""
    callers = [frame.f_code.co_name for frame, _ in walk_stack(None)]
    return "embedding" in callers and "vmap_impl" in callers
