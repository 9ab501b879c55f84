"""A port is kept for the server that it is for."""

import socket

import pytest

from tests.runtime.ports import free_port


def test_nobody_else_gets_it():
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", free_port()))


def test_a_server_listens_at_it():
    with socket.create_server(("", free_port())) as server:
        assert server.getsockname()[1]


def test_nobody_answers_at_it():
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port()), timeout=5)
