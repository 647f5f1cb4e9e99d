"""Application: the live pages for a server of the web, at `/` and `/study/NAME`; everything else is another one's.

optuna-dashboard's own addresses (/dashboard, /api, /static, /csv) are built into its script, so it keeps them, and
`/optuna/` leads there.
"""

import base64
import hashlib
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from hinet_search.errors import ConfigurationError, EnvironmentFault
from hinet_search.live.listed import study_page
from hinet_search.live.pages import SCRIPTS, Pages
from hinet_search.storage.engine import Database

STUDY = "/study/"
OPTUNA = "/dashboard"
_HASHES = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in SCRIPTS)
# Scripts are known by their text, so what is smuggled into a page runs nowhere, and asks nobody.
POLICY = (
    f"default-src 'none'; script-src {_HASHES}; style-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def with_live_pages(database: Database, others: WSGIApplication) -> WSGIApplication:
    """The live pages of the database's studies, and for all other addresses `others`."""
    pages = Pages(database)

    def application(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path in ("/optuna", "/optuna/"):
            return _lead_to(OPTUNA, start)
        if path != "/" and not path.startswith(STUDY):
            return others(environment, start)
        try:
            names = pages.names() if path == "/" else ()
            if len(names) == 1:
                return _lead_to(study_page(names[0]), start)
            html = pages.studies() if path == "/" else pages.study(path.removeprefix(STUDY))
        except ConfigurationError as error:
            return _say("404 Not Found", str(error), start)
        except EnvironmentFault as error:
            return _say("503 Service Unavailable", str(error), start)
        return _give(html.encode(), environment, start)

    return application


def _give(body: bytes, environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """A page, or no more than that it is still the same."""
    version = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = [("ETag", version), ("Cache-Control", "no-cache"), ("Content-Security-Policy", POLICY)]
    if environment.get("HTTP_IF_NONE_MATCH") == version:
        start("304 Not Modified", headers)
        return []
    sized = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]
    start("200 OK", [*sized, *headers])
    return [] if environment["REQUEST_METHOD"] == "HEAD" else [body]


def _lead_to(address: str, start: StartResponse) -> Iterable[bytes]:
    start("302 Found", [("Location", address), ("Content-Length", "0")])
    return []


def _say(status: str, text: str, start: StartResponse) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
