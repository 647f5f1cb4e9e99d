"""Array shapes and types, checked once per signature: a training makes the same calls thousands of times.

What jaxtyping and beartype say of a call depends on the types, dtypes and shapes of its arguments and of its result alone.
A call like one that passed is not checked again; one like one that failed is.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from beartype import beartype
from torch import Tensor


def seen(value: object) -> object:
    """Return what a check sees of a value: a type may also name strings and classes."""
    kind = type(value)
    if isinstance(value, Tensor):
        return kind, value.dtype, value.shape
    if isinstance(value, str | type):
        return kind, value
    if isinstance(value, tuple | list | set | frozenset):
        return kind, *map(seen, value)
    if isinstance(value, dict):
        return kind, *((seen(key), seen(item)) for key, item in value.items())
    return kind


def checked_once(function: Callable[..., Any]) -> Callable[..., None]:
    """Check the arguments of a function, unless like ones passed. jaxtyping gives it twice: also with the result as an argument."""
    passed: set[object] = set()
    checked = cache(lambda: beartype(function))

    def check(*arguments: object, **named: object) -> None:
        signature = seen(arguments), seen(named)
        if signature not in passed:
            checked()(*arguments, **named)
            passed.add(signature)

    return check
