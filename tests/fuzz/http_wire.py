"""Bytes of a request into a served application and the bytes of its answer out of it, without a socket."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

import structlog
from aiohttp import web

ROUNDS = 60
"""So many turns of the loop are given to a request; one that then still waits is cut off, as by its sender."""

SERVER = "aiohttp.server"
"""Whose log tells of what was caught on the way to an answer."""

LOCAL = ("127.0.0.1", 50_000)


class _Wire(asyncio.Transport):
    """The server's end of a connection."""

    def __init__(self) -> None:
        super().__init__({"peername": LOCAL, "sockname": LOCAL})
        self.answer = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.answer += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_reading(self) -> bool:
        return not self.closed

    def get_write_buffer_size(self) -> int:
        return 0


class Served:
    """An application that is served to one request after the other, in a loop of its own."""

    def __init__(self, app: web.Application) -> None:
        self.loop = asyncio.new_event_loop()
        self._runner = web.AppRunner(app, access_log=None)
        self.loop.run_until_complete(self._runner.setup())
        self._trouble = _Trouble()

    def asked(self, request: bytes) -> bytes:
        """Return the answer to the bytes of one request, empty where the connection was closed without one.

        Raises:
            AssertionError: an answer of 500 and more that is not 502 or 503, with what was logged of it.
        """
        wire = _Wire()
        assert self._runner.server is not None
        with self._trouble.heard() as heard:
            protocol = self._runner.server()
            protocol.connection_made(wire)
            protocol.data_received(request)
            for _ in range(ROUNDS):
                if wire.closed:
                    break
                self._turn()
            protocol.connection_lost(None)
            for _ in range(ROUNDS):
                self._turn()
                if not asyncio.all_tasks(self.loop):
                    break
        status = bytes(wire.answer[9:12])
        if status.startswith(b"5") and status not in {b"502", b"503"}:
            if heard and heard[-1] is not None:
                raise heard[-1]
            raise AssertionError(f"answered {bytes(wire.answer[:200])!r}")
        return bytes(wire.answer)

    def close(self) -> None:
        """Serve no more."""
        self.loop.run_until_complete(self._runner.cleanup())
        self.loop.close()
        logger = logging.getLogger(SERVER)
        logger.removeHandler(self._trouble)  # it would hear, and keep, the troubles of others
        logger.propagate = True

    def _turn(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()


class _Trouble(logging.Handler):
    """Hears the exceptions that were caught and logged on the way to an answer."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._heard: list[Any] = []
        logger = logging.getLogger(SERVER)
        logger.addHandler(self)
        logger.propagate = False
        structlog.configure(processors=[self._process], cache_logger_on_first_use=False)

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record.exc_info[1] if record.exc_info else None)

    def _process(self, _logger: Any, _name: str, event: Any) -> Any:
        if sys.exc_info()[1] is not None and event.get("exc_info"):
            self._heard.append(sys.exc_info()[1])
        raise structlog.DropEvent

    @contextlib.contextmanager
    def heard(self) -> Iterator[list[Any]]:
        """Give what is heard until the end of the block."""
        self._heard = []
        yield self._heard
        self._heard = []
