"""Questions in GraphQL: their errors come with status 200, in the place of the data or beside them."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from scheduler.core.errors import PricesRefused, PricesUnavailable
from scheduler.ports import Web
from scheduler.redaction import Redactor

T = TypeVar("T")

TOKEN_CODES = frozenset({"UNAUTHENTICATED", "FORBIDDEN"})
"""Codes of errors that only another token mends."""

LONGEST = 200
"""So much is told of an error [characters]."""


class _Extensions(msgspec.Struct):
    code: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    extensions: _Extensions | None = None

    @property
    def code(self) -> str:
        return self.extensions.code if self.extensions else ""


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_Error] | None = None


async def asked(web: Web, url: str, query: str, kind: type[T], *, path: Iterable[str], token: str) -> T:
    """Return the part of the answer's data that lies at the path, as that type.

    Args:
        web: to ask by.
        url: of the service.
        query: the question.
        kind: what is expected there.
        path: names of the members that lead there from `data`.
        token: sent as bearer; never in the text of an error.

    Raises:
        PricesRefused: the token is not taken.
        PricesUnavailable: the service tells any other error, or something else than expected.
    """
    answer = await web.json(url, _Answer, headers={"Authorization": f"Bearer {token}"}, body={"query": query})
    if answer.errors:
        told = "; ".join(f"{error.message} {error.code}".strip() for error in answer.errors)
        text = f"POST {url} answered with errors: {Redactor([token])(told)[:LONGEST]}"
        refused = any(error.code in TOKEN_CODES for error in answer.errors)
        raise PricesRefused(f"{text}: look at the token") if refused else PricesUnavailable(text)
    part = answer.data
    try:
        for name in path:
            part = msgspec.json.decode(part, type=dict[str, msgspec.Raw])[name]
        return msgspec.json.decode(part, type=kind)
    except KeyError as missing:
        raise PricesUnavailable(f"POST {url} answered without {missing}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PricesUnavailable(f"POST {url} answered something else than expected: {error}") from None
