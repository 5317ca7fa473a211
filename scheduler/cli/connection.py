"""Asking the running daemon over its Unix socket. Standard library only, so that a command starts at once."""

import json
import os
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from scheduler.cli.ending import CONFIGURATION, FAULT, NOT_RUNNING, NOT_SO, USAGE, Ending
from scheduler.cli.options import config_path
from scheduler.cli.place import find_socket

TIMEOUT_S = 60.0
"""Webhook tests and reloads wait for the provider."""

STATUS_ENDINGS = {400: USAGE, 422: CONFIGURATION, 500: FAULT}
"""How a refusal ends the command; any other is simply not so."""


class _SocketConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("kwhen", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


class Connection:
    """The daemon behind a socket. Every method ends the command when the daemon cannot be asked or refuses."""

    def __init__(self, path: Path | None) -> None:
        given = os.environ.get("KWHEN_CONFIG")
        self.path = find_socket(path, config_path(Path(given) if given else None))

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON answer to a GET; a query member that is None is left out."""
        return self._json("GET", path, query)

    def post(self, path: str, body: Any) -> Any:
        """Return the JSON answer to a POST."""
        return self._json("POST", path, {}, body)

    def put(self, path: str, body: Any) -> Any:
        """Return the JSON answer to a PUT."""
        return self._json("PUT", path, {}, body)

    def delete(self, path: str, **query: Any) -> Any:
        """Return the JSON answer to a DELETE."""
        return self._json("DELETE", path, query)

    def lines(self, path: str, **query: Any) -> Iterator[bytes]:
        """Yield the lines of an answer as they come."""
        with self._open("GET", path, query) as answer:
            while line := answer.readline():
                yield line

    def body(self, path: str) -> bytes:
        """Return the answer's body as it is."""
        with self._open("GET", path, {}) as answer:
            return answer.read()

    def _json(self, method: str, path: str, query: dict[str, Any], body: Any = None) -> Any:
        with self._open(method, path, query, body) as answer:
            try:
                read = answer.read()
                return json.loads(read) if read else None
            except (ValueError, OSError, HTTPException) as error:
                raise self._broken(error) from error

    def _open(self, method: str, path: str, query: dict[str, Any], body: Any = None) -> HTTPResponse:
        given = {key: value for key, value in query.items() if value is not None}
        target = f"/api/v1{path}" + (f"?{urlencode(given)}" if given else "")
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Connection": "close"} | ({"Content-Type": "application/json"} if payload else {})
        connection = _SocketConnection(self.path)
        try:
            connection.request(method, target, payload, headers)
            answer = connection.getresponse()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise not_running(self.path) from error
        except PermissionError as error:
            remedy = "Run it as root or as the daemon's own user (with sudo), or join the socket's group."
            raise Ending(NOT_RUNNING, f"not allowed to use {self.path}", remedy=remedy) from error
        except (OSError, HTTPException) as error:
            raise self._broken(error) from error
        finally:
            connection.close()  # the answer keeps its own hold of the socket until it is read
        if answer.status >= 400:  # noqa: PLR2004
            with answer:
                raise _refused(answer)
        return answer

    def _broken(self, error: Exception) -> Ending:
        remedy = "Try again; the daemon's log says more."
        return Ending(NOT_RUNNING, f"the daemon at {self.path} did not answer", details=[str(error)], remedy=remedy)


def not_running(path: Path) -> Ending:
    """Return the ending for a daemon that is not there."""
    remedy = "Start it with `kwhen run` or `systemctl start kwhen`; `--socket` names another place."
    return Ending(NOT_RUNNING, f"kwhen is not running: nothing listens on {path}", remedy=remedy)


def _refused(answer: HTTPResponse) -> Ending:
    status = STATUS_ENDINGS.get(answer.status, NOT_SO)
    try:
        problem = json.loads(answer.read())
        details = problem.get("problems") or [problem.get("detail", "")]
        return Ending(
            status, problem["title"], details=[str(d) for d in details if d], remedy=problem.get("remedy", "")
        )
    except (ValueError, KeyError, AttributeError, OSError, HTTPException):
        return Ending(status, f"the daemon answered {answer.status} {answer.reason}")


def vehicle_path(car: str, rest: str = "") -> str:
    """Return the path of a car, whose name may hold anything."""
    return f"/vehicles/{quote(car, safe='')}{rest}"
