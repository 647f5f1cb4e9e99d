"""Sizes and variants: the forms of itself that a study file offers, and what a variant sets.

The key `variants` maps a name to values by their dotted names, as after `--set`: the same study on
other data or with other settings, stored by a name of its own.
"""

from collections.abc import Mapping

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.study.find_file import find
from hinet_search.study.yaml_file import Override, YamlFile, read

SIZES = "sizes"
VARIANTS = "variants"
ONE = {SIZES: "size", VARIANTS: "variant"}


def variants_of_study(study: str) -> tuple[str, ...]:
    """Return the variants of a study by name or path; errors are those of `find` and `read`."""
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
