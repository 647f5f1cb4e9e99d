"""An S3 server for tests (moto), in a process of its own: it may go away, and come back with all that it had.

`python -m tests.s3 PORT` serves; each line on its standard input turns it off or on again, and is answered when it is done.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from threading import Thread

SECRET = "a-secret-of-this-test"
_numbers = count(1)


@dataclass(frozen=True)
class S3:
    """A running server."""

    process: subprocess.Popen[str]
    environment: dict[str, str]  # under which a driver finds it

    def turn(self) -> None:
        """Go away, or come back."""
        assert self.process.stdin is not None
        self.process.stdin.write("turn\n")
        self.process.stdin.flush()
        self.answer()

    def answer(self) -> None:
        """Wait for the last line to be done."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "done\n"

    def bucket(self) -> str:
        """The URL of an empty bucket."""
        import fsspec

        name = f"bucket-{next(_numbers)}"
        fsspec.filesystem("s3").mkdir(name)
        return f"s3://{name}/studies"


@contextmanager
def server() -> Iterator[S3]:
    """A server on loopback, as long as this lasts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_MAX_ATTEMPTS": "1",  # so that a test hears soon of a server that is away
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.s3", str(port)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        found = S3(process, environment)
        found.answer()
        yield found
        process.kill()


def _serve(port: int) -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    for turn, _ in enumerate(chain([""], sys.stdin)):
        if turn % 2 == 0:
            serving = make_server("127.0.0.1", port, DomainDispatcherApplication(create_backend_app), threaded=True)
            Thread(target=serving.serve_forever, daemon=True).start()
        else:
            serving.shutdown()
            serving.server_close()
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
