"""Checked call: refuse arguments of wrong types, all at once, where Python calls a public function.

The types are those of its signature; `options` are the fields of `LaunchOptions`.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import cache, wraps
from os import PathLike, fspath
from typing import Annotated, Any, ParamSpec, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from hinet_search.common.errors import ConfigurationError
from hinet_search.common.files import refusal
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.study_spec import Device
from hinet_search.study.validation_messages import problems_in_words

OPTIONS = "options"  # the name of those keywords that are launch options
UNCHECKED = ("self", "keys", OPTIONS)
# A caller may give these in other forms than the functions take them.
FORMS: dict[str, Any] = {
    "study": str | PathLike[str],
    "output": str | PathLike[str] | None,
    "plugins": Annotated[tuple[str, ...], Field(strict=False)],  # a list too
}
REMEDIES = {
    "predict": "score a frame by hinet_search.load_model(folder).predict(frame)",
    "LoadedModel.predict": "score a file by hinet_search.predict(folder, rows, to)",
}

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


def checked_call(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """Let a function raise ConfigurationError for wrong arguments before it does anything.

    A path that the system refuses is an EnvironmentFault, whatever reads or writes it.
    """

    @wraps(function)
    def checked(*arguments: Parameters.args, **keywords: Parameters.kwargs) -> Returned:
        signature = inspect.signature(function)
        given = signature.bind_partial(*arguments, **keywords).arguments
        _refuse_wrong(function, given | given.get(OPTIONS, {}))
        call = signature.bind(*arguments, **keywords)
        if "study" in call.arguments:
            call.arguments["study"] = fspath(call.arguments["study"])
        try:
            return function(*call.args, **call.kwargs)
        except OSError as error:
            if refused := refusal(error):
                raise refused from error
            raise

    return checked


def _refuse_wrong(function: Callable[..., object], values: dict[str, Any]) -> None:
    checked = {name: value for name, value in values.items() if name not in UNCHECKED}
    kind = _arguments_of(function)
    try:
        kind(**checked)
    except ValidationError as error:
        name = function.__qualname__.removesuffix(".__init__")
        problems = problems_in_words(kind, checked, error.errors())
        raise ConfigurationError(
            *(f"{name}: {text.replace('unknown key', 'unknown argument')}" for _, text in problems),
            remedy=REMEDIES.get(name, "docs/python.md names every argument"),
        ) from None


@cache
def _arguments_of(function: Callable[..., object]) -> type[BaseModel]:
    """The model of a function's arguments, strict about types."""
    types: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == OPTIONS:
            hints = get_type_hints(LaunchOptions, localns={"Device": Device})
            types |= {option.name: hints[option.name] for option in fields(LaunchOptions)}
        elif name not in UNCHECKED:
            types[name] = parameter.annotation
    definitions: dict[str, Any] = {
        name: (FORMS.get(name, annotation), None) for name, annotation in types.items()
    }
    strict = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)
    return create_model("Arguments", __config__=strict, **definitions)
