"""Array shapes and types, checked once per signature: a training makes the same calls thousands of times.

What jaxtyping and beartype say of a call depends on the types, dtypes and shapes of its arguments and of its result alone.
A call like one that passed is not checked again; one like one that failed is. A function that is defined inside another, and
so anew in each of its calls, is one function here: a check of it takes ten milliseconds to make.
"""

import dataclasses
import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import jaxtyping
import pytest
import torch
from jaxtyping import jaxtyped
from torch import Tensor

SEEN_INSIDE = (Tensor, str, type, tuple, list, set, frozenset, dict)
Function = Callable[..., Any]
Passed = dict[object, set[object]]  # what was seen of results, by what was seen of arguments

_passed: dict[object, Passed] = {}  # by definition of a function


def install(patch: pytest.MonkeyPatch, modules: list[str]) -> None:
    """Check the functions and dataclasses of these modules, which are not imported yet."""
    patch.setattr(jaxtyping, "jaxtyped", jaxtyped_once)  # what the hook decorates with
    jaxtyping.install_import_hook(modules, "beartype.beartype")


def jaxtyped_once(*, typechecker: Callable[[Function], Function]) -> Callable[[Any], Any]:
    """Decorate as `jaxtyping.jaxtyped` does, but check only calls that are unlike all that passed."""

    def decorate(decorated: Any) -> Any:
        if not inspect.isclass(decorated):
            return _checked_once(decorated, typechecker)
        if dataclasses.is_dataclass(decorated) and "__init__" in vars(decorated):
            decorated.__init__ = _checked_once(decorated.__init__, typechecker)
        return decorated

    return decorate


def _checked_once(function: Function, typechecker: Callable[[Function], Function]) -> Function:
    checked = cache(lambda: jaxtyped(function, typechecker=typechecker))
    definition = function.__code__, repr(function.__annotations__)
    passed = _passed.setdefault(definition, {})

    @wraps(function)
    def call(*arguments: object, **named: object) -> Any:
        if torch.compiler.is_exporting():  # then sizes are variables
            return function(*arguments, **named)
        signature = seen(arguments), seen(named)
        results = passed.get(signature)
        if results is None:
            result = checked()(*arguments, **named)
            passed[signature] = {seen(result)}
            return result
        result = function(*arguments, **named)
        if (seen_result := seen(result)) not in results:
            returned = wraps(function)(lambda *_arguments, **_named: result)
            jaxtyped(returned, typechecker=typechecker)(*arguments, **named)
            results.add(seen_result)
        return result

    return call


@cache
def _is_seen_inside(kind: type) -> bool:
    return issubclass(kind, SEEN_INSIDE)


def seen(value: object) -> object:
    """Return what a check sees of a value: a type may also name strings and classes."""
    kind = type(value)
    if not _is_seen_inside(kind):
        return kind
    if isinstance(value, Tensor):
        return kind, value.dtype, value.shape
    if isinstance(value, str | type):
        return kind, value
    if isinstance(value, dict):
        return kind, *[(seen(key), seen(item)) for key, item in value.items()]
    return kind, *[seen(item) for item in value]
