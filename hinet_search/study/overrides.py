"""Overrides: the sizes and variants that a study file offers, and values set by dotted names.

The key `variants` maps a name to values by their dotted names, as after `--set`: the same study on
other data or with other settings, stored by a name of its own.
"""

from collections.abc import Mapping
from dataclasses import replace
from os.path import normpath
from pathlib import Path
from typing import Any

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.study.find_file import find
from hinet_search.study.parameter_changes import PARAMETERS
from hinet_search.study.study_spec import AUTO, AUTOMATIC, KINDS
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import Override, YamlFile, read

SIZES = "sizes"
VARIANTS = "variants"
ONE = {SIZES: "size", VARIANTS: "variant"}
# First parts of the names that configure an arm, not the study.
SETTINGS = ("model", "train", "features")


def variants_of_study(study: str) -> tuple[str, ...]:
    """Return the variants of a study by name or path; errors: as `find` and `read`."""
    return _offered(read(find("studies", study)), VARIANTS)


def chosen(file: YamlFile, key: str, name: str | None) -> str | None:
    """Return the size or variant to load: by default the first one, None if the file has none.

    ConfigurationError if the file offers none of that name.
    """
    offered = _offered(file, key)
    if name is not None and name not in offered:
        raise ConfigurationError(
            f"{file.place((key,))}: '{name}' is not a {ONE[key]} of this study, "
            f"known: {', '.join(offered) or 'none'}{did_you_mean(name, offered)}"
        )
    return name or next(iter(offered), None)


def values_of(file: YamlFile, variant: str | None) -> Mapping[str, Override]:
    """Return what a variant sets, by dotted name, with the places of its values.

    A name inside another comes after it, in whatever order both are written: the order of merged
    keys is not the reader's.
    """
    written = file.tree[VARIANTS][variant] if variant is not None else None
    if not isinstance(written, dict):
        return {}  # nothing to set, or refused when the study is parsed
    names = [name for name in written if isinstance(name, str)]  # others are refused there too
    return {
        name: Override(written[name], file.place((VARIANTS, str(variant), name)))
        for name in sorted(names, key=lambda name: name.count("."))
    }


def _offered(file: YamlFile, key: str) -> tuple[str, ...]:
    """Return the names below a key, in their order.

    None if it is wrong or missing; names that are no texts are refused when the study is parsed.
    """
    written = file.tree.get(key)
    names = written if isinstance(written, dict) else ()
    return tuple(name for name in names if isinstance(name, str))


def with_overrides(
    file: YamlFile,
    of_variant: Mapping[str, Override],
    overrides: Mapping[str, Override],
    size: str | None,
) -> tuple[YamlFile, YamlFile | None]:
    """Return the study file and its data definition file, if any, with overrides applied.

    Those of the variant change the study, which the size changes in turn; `overrides` change both.
    """
    _refuse_forms(of_variant, overrides)
    values = _with_whole_names({**of_variant, **overrides})
    of_data: dict[Location, Override] = {}
    of_study: dict[Location, Override] = {}
    for name, override in values.items():
        if name.startswith("data."):
            of_data[tuple(name.split("."))] = override
        else:
            of_study[_location(file, name, size if name in overrides else None)] = override
    file = _with_kinds(file, values, size).with_overrides(of_study)
    definition_file = _definition_file(file)
    if definition_file is None:
        return file.with_overrides(of_data), None
    return file, definition_file.with_overrides({at[1:]: value for at, value in of_data.items()})


def _refuse_forms(*of_sources: Mapping[str, Override]) -> None:
    """Raise ConfigurationError for values of sizes and variants, which nothing would read."""
    for overrides in of_sources:
        for name, override in overrides.items():
            if name.split(".")[0] in ONE:
                raise ConfigurationError(
                    f"{override.where}: '{name}' cannot be set, as size and variant are chosen "
                    "before values are set",
                    remedy="choose them with --size and --variant, and set values by their own "
                    "names, such as trials=3",
                )


def _with_whole_names(overrides: Mapping[str, Override]) -> Mapping[str, Override]:
    """Take `pruner=median` as `pruner.kind=median` where another key inside is overridden."""
    inside = {name.partition(".")[0] for name in overrides if "." in name}
    whole = {}
    for name, override in overrides.items():
        is_kind = name in KINDS and name in inside
        whole[f"{name}.kind" if is_kind else name] = override
    return whole


def _with_kinds(file: YamlFile, overrides: Mapping[str, Override], size: str | None) -> YamlFile:
    """Turn a word into a mapping if a key inside is set; drop options of another kind."""
    tree = _without_auto(file.tree, overrides)
    of_size = tree[SIZES][size] if size is not None else None
    if isinstance(of_size, dict):
        tree[SIZES] = {**tree[SIZES], size: _without_auto(of_size, overrides)}
    for key in KINDS:
        if not any(name.startswith(f"{key}.") for name in overrides):
            continue
        written = tree.get(key)
        if isinstance(written, str):
            written = {"kind": written}
        kind = overrides.get(f"{key}.kind")
        if kind and isinstance(written, dict) and written.get("kind") != kind.value:
            written = {}
        tree[key] = written
    return replace(file, tree=tree)


def _without_auto(tree: Mapping[Any, Any], overrides: Mapping[str, Override]) -> dict[Any, Any]:
    """Replace the word `auto`, which stands for defaults, where a key inside it is overridden."""
    overridden = {name.partition(".")[0] for name in overrides if "." in name}
    without = dict(tree)
    for key in overridden.intersection(AUTOMATIC):
        if tree.get(key) == AUTO:
            without[key] = {}
    return without


def _location(file: YamlFile, name: str, size: str | None) -> Location:
    """Return the location of a dotted name: in the size if that sets it, else in the study."""
    parts = name.split(".")
    of_size = file.tree[SIZES][size] if size is not None else None
    written = of_size if isinstance(of_size, dict) else {}
    if parts[0] in SETTINGS:
        return ("fixed", name)
    if parts[0] == PARAMETERS:
        parameter = ".".join(parts[1:-1])
        location = (PARAMETERS, parameter, parts[-1])
        is_of_size = parameter in (written.get(PARAMETERS) or {})
        return (SIZES, str(size), *location) if is_of_size else location
    if "fixed" in parts[:-1]:
        end = parts.index("fixed") + 1
        return (*parts[:end], ".".join(parts[end:]))
    if parts[0] in written:
        return (SIZES, str(size), *parts)
    return tuple(parts)


def _definition_file(file: YamlFile) -> YamlFile | None:
    """Read the file that `data` names; None if `data` is written in the study."""
    written = file.tree.get("data")
    if not isinstance(written, str):
        return None
    # `studies/../data/rows.yaml` is read as `data/rows.yaml`.
    path = Path(normpath(file.path.parent / written))
    if not path.is_file():
        raise ConfigurationError(f"{file.place(('data',))}: there is no data definition {path}")
    return read(path)
