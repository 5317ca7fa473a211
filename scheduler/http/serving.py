"""Opening and closing the doors: the Unix socket and the page's TCP port."""

import asyncio
import contextlib
import socket
from pathlib import Path

from aiohttp import web

SOCKET_MODE = 0o660
"""Owner and group may command cars through the socket; nobody else may."""

SHUTDOWN_S = 2.0


async def serve_socket(app: web.Application, path: Path, *, mode: int = SOCKET_MODE) -> web.AppRunner:
    """Serve on a Unix socket at `path`; the `cleanup()` of what is returned ends it and removes the socket.

    Raises:
        OSError: the directory cannot be made or written, or somebody listens there.
    """
    listening = await asyncio.to_thread(_bound, path, mode)

    async def removed(_: web.Application) -> None:
        await asyncio.to_thread(path.unlink, missing_ok=True)

    app.on_cleanup.append(removed)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    try:
        await runner.setup()
        await web.SockSite(runner, listening).start()
    except BaseException:
        listening.close()
        await runner.cleanup()
        raise
    return runner


def _bound(path: Path, mode: int) -> socket.socket:
    """Return a bound socket that does not listen yet, in the place of one that a dead daemon left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        _refuse_living(path)
        path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(mode)  # nobody can connect before it listens
    except BaseException:
        bound.close()
        raise
    return bound


def _refuse_living(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            probe.connect(str(path))
            raise OSError(f"another process listens on {path}")


async def serve_port(app: web.Application, *, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serve on a TCP port (0: any free one) and return the runner with the port it got.

    Raises:
        OSError: the port is taken or the address is not ours.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner, int(runner.addresses[0][1])
