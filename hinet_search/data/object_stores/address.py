"""Store address: the URL of a table in an object store, which holds no credentials.

A definition is stored and shown in reports. Stores find credentials in the environment.
"""

import re
from urllib.parse import parse_qsl

from hinet_search.data.queries.address import is_secret

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_WITH_CONTAINER = ("abfs", "abfss")  # of Azure: CONTAINER@ACCOUNT


def is_url(path: str) -> bool:
    """Return whether the path of a table is a URL, such as `s3://bucket/folder`."""
    return _URL.match(path) is not None


def refuse_credentials(path: str) -> str:
    """Return the path of a table; ValueError if it is a URL with a user, a key or a signature."""
    if is_url(path) and _holds_credentials(path):
        # The text holds a secret, so it is not repeated.
        raise ValueError(
            "must be a URL without user, key and signature, as files, databases and reports keep "
            "it; leave them out and let the store find them (AWS_PROFILE, "
            "GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_CONNECTION_STRING, ...)"
        )
    return path


def _holds_credentials(url: str) -> bool:
    scheme, _, place = url.partition("://")
    authority = re.split(r"[/?#]", place, maxsplit=1)[0]
    if "@" in authority and scheme.lower() not in _WITH_CONTAINER:
        return True
    # A key may hold a slash, which ends the authority: KEY:SEC/RET@bucket.
    _, colon, port = authority.partition(":")
    options = parse_qsl(url.partition("?")[2])
    return bool(colon and not port.isdecimal()) or any(is_secret(name) for name, _ in options)
