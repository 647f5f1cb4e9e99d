"""An object store for tests: a server that answers as S3 does, of which a folder is the buckets."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zlib import crc32

KEY, SECRET = "SOMEKEY", "s3cret"


class _Answers(BaseHTTPRequestHandler):
    def __init__(self, buckets: Path, *given: Any) -> None:
        self._buckets = buckets
        super().__init__(*given)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        options = parse_qs(url.query)
        path = self._buckets / unquote(url.path).strip("/")
        if "list-type" in options:
            self._answer(200, _listing(path, options.get("prefix", [""])[0]))
        elif not path.is_file():
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._answer_with(path.read_bytes())

    def _answer_with(self, content: bytes) -> None:
        asked = re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(200, content)
            return
        first = int(asked[1]) if asked[1] else max(0, len(content) - int(asked[2]))
        last = int(asked[2]) if asked[1] and asked[2] else len(content) - 1
        part = content[first : last + 1]
        self._answer(206, part, f"bytes {first}-{first + len(part) - 1}/{len(content)}")

    def _answer(self, code: int, body: bytes, part: str = "") -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{crc32(body)}"')
        self.send_header("Last-Modified", "Sun, 03 May 2026 00:00:00 GMT")
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _listing(bucket: Path, prefix: str) -> bytes:
    objects = ""
    for file in sorted(file for file in bucket.rglob("*") if file.is_file()):
        name = file.relative_to(bucket).as_posix()
        if name.startswith(prefix):
            objects += (
                f"<Contents><Key>{name}</Key><LastModified>2026-05-03T00:00:00.000Z</LastModified>"
                f"<ETag>x</ETag><Size>{file.stat().st_size}</Size></Contents>"
            )
    listing = f"<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"
    return listing.encode()


@contextmanager
def serving(buckets: Path) -> Iterator[str]:
    """Serve the buckets on a port of this machine; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answers, buckets))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def environment(address: str) -> dict[str, str]:
    """The variables by which Polars finds the server, and its keys."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }
