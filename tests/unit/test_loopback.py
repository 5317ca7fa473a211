"""Every byte between two sockets of this process is under way from its sending until it is fetched."""

import socket
from collections.abc import Iterator

import pytest

from scheduler.loopback import Wire


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def ends(wire) -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = wire.counted(socket.create_connection(listener.getsockname()))
        server = wire.counted(listener.accept()[0])
    yield client, server
    client.close()
    server.close()


def test_bytes_are_under_way_until_fetched(wire, ends):
    client, server = ends
    assert client.send(b"hello") == 5
    assert server.sendmsg([b"good", b"bye"]) == 7
    assert wire.unread_bytes == 12
    assert server.recv(3) == b"hel"
    assert wire.unread_bytes == 9
    assert client.recv_into(bytearray(100)) == 7
    assert server.recv(100) == b"lo"
    assert wire.unread_bytes == 0


def test_bytes_sent_before_the_connection_is_accepted_count_too(wire):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = wire.counted(socket.create_connection(listener.getsockname()))
        client.send(b"early")
        server = wire.counted(listener.accept()[0])
    assert wire.unread_bytes == 5
    assert server.recv(5) == b"early"
    assert wire.unread_bytes == 0
    client.close()
    server.close()


@pytest.mark.parametrize("end", ["shutdown", "close"])
def test_the_end_of_a_stream_travels_as_one_byte_does(wire, ends, end):
    client, server = ends
    client.send(b"bye")
    client.shutdown(socket.SHUT_WR) if end == "shutdown" else client.close()
    assert wire.unread_bytes == 4
    assert server.recv(100) == b"bye"
    assert wire.unread_bytes == 1
    assert server.recv(100) == b""
    assert wire.unread_bytes == 0


def test_bytes_written_off_come_late_without_hiding_newer_ones(wire, ends):
    client, server = ends
    client.send(b"stuck")
    wire.write_off()
    assert wire.unread_bytes == 0
    client.send(b"new")
    assert server.recv(5) == b"stuck"
    assert wire.unread_bytes == 3
    assert server.recv(5) == b"new"
    assert wire.unread_bytes == 0


def test_nothing_is_under_way_to_a_reader_that_has_gone(wire, ends):
    client, server = ends
    client.send(b"unheard")
    server.close()
    assert wire.unread_bytes == 1  # the end, towards the client
    client.close()
    assert wire.unread_bytes == 0
    assert wire.connections == 0


@pytest.mark.parametrize("fetch", [lambda sock: sock.recv(10), lambda sock: sock.recv_into(bytearray(10))])
def test_a_reset_ends_a_stream(wire, ends, fetch):
    client, server = ends
    client.send(b"unheard")
    server.close()  # with bytes unread: the kernel resets the connection
    assert wire.unread_bytes == 1
    with pytest.raises(ConnectionResetError):
        fetch(client)
    assert wire.unread_bytes == 0


def test_unix_and_unconnected_sockets_are_left_alone(wire):
    left, right = socket.socketpair()
    lone = socket.socket()
    assert wire.counted(left) is left
    assert wire.counted(lone) is lone
    for sock in (left, right, lone):
        sock.close()
