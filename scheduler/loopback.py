"""What is under way between the sockets of one process.

Virtual time (scheduler/virtual_time.py) must not jump while a message travels. Loopback delivers within microseconds,
but not always before the next look at the selector. So every byte is counted when the kernel takes it and again when
the other end fetches it.
"""

import socket
from collections.abc import Callable
from typing import Any


class _Stream:
    """One direction of a connection: bytes that the kernel was given and that its reader has not fetched yet."""

    __slots__ = ("_wire", "closed", "unread_bytes", "written_off_bytes")

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire
        self.unread_bytes = 0
        self.written_off_bytes = 0
        self.closed = False

    def put(self, count: int) -> None:
        if not self.closed:
            self.unread_bytes += count
            self._wire.unread_bytes += count

    def take(self, count: int) -> None:
        late = min(count, self.written_off_bytes)  # the oldest bytes come first
        self.written_off_bytes -= late
        fresh = min(count - late, self.unread_bytes)
        self.unread_bytes -= fresh
        self._wire.unread_bytes -= fresh

    def write_off(self) -> None:
        self.written_off_bytes += self.unread_bytes
        self._wire.unread_bytes -= self.unread_bytes
        self.unread_bytes = 0

    def end(self) -> None:
        self.take(self.written_off_bytes + self.unread_bytes)


class Wire:
    """All connections between two sockets of this process, and how many bytes are under way on them."""

    def __init__(self) -> None:
        self.unread_bytes = 0
        self._streams: dict[tuple[Any, Any], _Stream] = {}

    @property
    def connections(self) -> int:
        """How many connections have an open end."""
        return len({frozenset(ends) for ends in self._streams})

    def counted(self, sock: socket.socket) -> "socket.socket | _CountedSocket":
        """Return the socket with its traffic counted, or as it is when its other end cannot be in this process."""
        if sock.family not in {socket.AF_INET, socket.AF_INET6}:
            return sock
        try:
            here, there = sock.getsockname()[:2], sock.getpeername()[:2]
        except OSError:  # already disconnected; its reader will find out
            return sock
        if here[0] != there[0]:
            return sock
        outgoing = self._streams.setdefault((here, there), _Stream(self))
        incoming = self._streams.setdefault((there, here), _Stream(self))
        return _CountedSocket(sock, outgoing, incoming, lambda: self._streams.pop((there, here), None))

    def write_off(self) -> None:
        """Stop waiting for what is under way now; later bytes count again."""
        for stream in self._streams.values():
            stream.write_off()


class _CountedSocket:
    """A connected socket that reports what it sends and fetches. The end of a stream counts as one byte."""

    def __init__(
        self, sock: socket.socket, outgoing: _Stream, incoming: _Stream, forget_incoming: Callable[[], object]
    ) -> None:
        self._sock = sock
        self._outgoing = outgoing
        self._incoming = incoming
        self._forget_incoming = forget_incoming
        self._ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def send(self, *args: Any) -> int:
        count = self._sock.send(*args)
        self._outgoing.put(count)
        return count

    def sendmsg(self, *args: Any) -> int:
        count = self._sock.sendmsg(*args)
        self._outgoing.put(count)
        return count

    def recv(self, *args: Any) -> bytes:
        try:
            chunk: bytes = self._sock.recv(*args)
        except ConnectionError:  # reset: what was under way is lost
            self._incoming.end()
            raise
        self._fetched(len(chunk))
        return chunk

    def recv_into(self, *args: Any) -> int:
        try:
            count: int = self._sock.recv_into(*args)
        except ConnectionError:
            self._incoming.end()
            raise
        self._fetched(count)
        return count

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)
        if how != socket.SHUT_RD:
            self._end_outgoing()

    def close(self) -> None:
        self._sock.close()
        self._end_outgoing()
        self._incoming.end()
        self._incoming.closed = True
        self._forget_incoming()

    def _end_outgoing(self) -> None:
        if not self._ended:
            self._ended = True
            self._outgoing.put(1)

    def _fetched(self, count: int) -> None:
        if count:
            self._incoming.take(count)
        else:
            self._incoming.end()
