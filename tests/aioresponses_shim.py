"""aioresponses for the aiohttp of today: `with answers() as provider: provider.get(url, payload=…)`.

aiohttp 3.14 made `stream_writer` a required argument of `ClientResponse`, and aioresponses 0.7.9 builds its responses
without it. Inside `answers()` it builds them from a class that fills the gap. Once a release of aioresponses passes the
argument itself, the class below is a plain `ClientResponse` and this module can go.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import aiohttp
from aioresponses import aioresponses


class _NothingWritten:
    """Stands for the writer of a request that never went out."""

    output_size = 0


class _Response(aiohttp.ClientResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"stream_writer": _NothingWritten(), **kwargs})


@contextmanager
def answers(**options: Any) -> Iterator[aioresponses]:
    """Answer every request of aiohttp's clients from the yielded object; what it does not know fails to connect.

    Args:
        options: those of `aioresponses`, such as `passthrough=["http://127.0.0.1"]`.
    """
    with mock.patch("aioresponses.core.ClientResponse", _Response), aioresponses(**options) as provider:
        yield provider
