"""Fingerprint: the name of encoded data, a hash of everything that decides their bytes."""

import hashlib

from hinet_search.definition import DataDefinition

ENCODING_VERSION = 2  # raise it when the same definition and rows would be encoded to other bytes


def fingerprint(definition: DataDefinition, identity: str) -> str:
    """16 hexadecimal digits from the definition and the source's `identity`; where the rows lie does not matter."""
    meaning = definition.model_dump(exclude={"source"})
    text = f"{ENCODING_VERSION}\n{definition.source.kind}\n{identity}\n{meaning!r}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
