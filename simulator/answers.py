"""Forms of answers: problems, empty refusals, pages of lists; and the reading of bodies."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from aiohttp import web

PROBLEMS = "https://developers.enode.com/api/problems/"
SLUGS = {
    400: ("bad-request", "Bad Request"),
    401: ("unauthorized", "Unauthorized"),
    403: ("forbidden", "Forbidden"),
    404: ("not-found", "Not Found"),
    405: ("method-not-allowed", "Method Not Allowed"),
    413: ("payload-too-large", "Payload Too Large"),
    422: ("unprocessable-entity", "Unprocessable Entity"),
    429: ("too-many-requests", "Too Many Requests"),
    503: ("vendor-temporarily-unavailable", "Vendor temporarily unavailable"),
}
DEFAULT_PAGE = 50
LARGEST_PAGE = 1000


class Listed(Protocol):
    """What can stand in a list: it has an id and an age."""

    id: str
    created_at: datetime


class Refusal(Exception):  # noqa: N818 - it is an answer rather than a fault
    """Ends a request with a problem, or with an empty body where the API has none."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        title: str | None = None,
        issues: list[dict[str, Any]] | None = None,
        empty: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.title, self.issues, self.empty = status, detail, title, issues, empty

    def response(self) -> web.Response:
        """Return the answer."""
        if self.empty:
            return web.Response(status=self.status)
        slug, title = SLUGS.get(self.status, ("internal-error", "Internal Server Error"))
        body: dict[str, Any] = {"type": PROBLEMS + slug, "title": self.title or title, "detail": self.detail}
        if self.issues is not None:
            body["issues"] = self.issues
        return web.json_response(body, status=self.status)


def invalid(member: str, message: str) -> Refusal:
    """Return the refusal of a body or query whose member is wrong."""
    return Refusal(400, f"{member}: {message}", issues=[{"path": [member], "message": message}])


async def read_object(request: web.Request, *, allowed: Sequence[str], required: Sequence[str] = ()) -> dict[str, Any]:
    """Read a JSON object with no members but the allowed ones.

    Raises:
        Refusal: 400, where it is no JSON object or its members are wrong.
    """
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise Refusal(400, "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The body is not an object.")
    for member in body:
        if member not in allowed:
            raise invalid(member, "is not allowed")
    for member in required:
        if member not in body:
            raise invalid(member, "is required")
    return body


def page(request: web.Request, items: Sequence[Listed], render: Callable[[Any], dict[str, Any]]) -> web.Response:
    """Answer one page of a list, newest first.

    Raises:
        Refusal: 400, for a bad page size, an unknown cursor, or both cursors at once.
    """
    query = request.query
    size = _page_size(query.get("pageSize"))
    if "after" in query and "before" in query:
        raise Refusal(400, "after and before exclude each other.")
    ordered = sorted(items, key=lambda each: (each.created_at, each.id), reverse=True)
    ids = [each.id for each in ordered]
    first, last = 0, len(ordered)
    if "after" in query:
        first = _position(ids, "after", query["after"]) + 1
        last = first + size
    elif "before" in query:
        last = _position(ids, "before", query["before"])
        first = max(0, last - size)
    shown = ordered[first : min(last, first + size)]
    more_before = first > 0 and bool(shown)
    more_after = first + len(shown) < len(ordered) and bool(shown)
    return web.json_response(
        {
            "data": [render(each) for each in shown],
            "pagination": {
                "after": _cursor(shown[-1].id) if more_after else None,
                "before": _cursor(shown[0].id) if more_before else None,
            },
        }
    )


def _page_size(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise invalid("pageSize", f"must be a whole number from 1 to {LARGEST_PAGE}")
    return int(text)


def _cursor(id_: str) -> str:
    return base64.urlsafe_b64encode(b"at:" + id_.encode()).decode()


def _position(ids: list[str], name: str, cursor: str) -> int:
    for position, id_ in enumerate(ids):
        if _cursor(id_) == cursor:
            return position
    raise invalid(name, "is no cursor of this list")
