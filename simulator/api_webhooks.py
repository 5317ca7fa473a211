"""Routes of the API for webhook subscriptions."""

import re
from typing import Any

from aiohttp import web
from yarl import URL

from simulator.answers import Refusal, page, read_object
from simulator.keys import WEBHOOKS
from simulator.webhooks import Subscription

routes = web.RouteTableDef()

MEMBERS = ("url", "secret", "events", "apiVersion", "authentication")
NOT_VALID = "Webhook input is not valid."
EVENTS = frozenset(
    {"*", "user:vehicle:smart-charging-status-updated", "user:inverter:statistics-updated"}
    | {"user:vendor-action:updated", "user:charge-action:updated", "user:schedule:execution-updated"}
    | {"user:credentials:invalidated", "enode:webhook:test"}
    | {
        f"user:{kind}:{what}"
        for kind in ("vehicle", "charger", "hvac", "inverter", "battery", "meter")
        for what in ("discovered", "updated", "deleted")
    }
)


def _wrong(detail: str) -> Refusal:
    return Refusal(400, detail, title=NOT_VALID)


def _hook(request: web.Request) -> Subscription:
    id_ = request.match_info["id"]
    found = request.app[WEBHOOKS].subscriptions.get(id_)
    if found is None:
        raise Refusal(404, f"Could not find webhook {id_}", title="Webhook not found")
    return found


def _check(body: dict[str, Any]) -> None:
    """Check the members that are there.

    Raises:
        Refusal: 400, naming the first that is wrong.
    """
    if "url" in body:
        _check_url(body["url"])
    secret = body.get("secret", "x" * 6)
    if not isinstance(secret, str) or not 6 <= len(secret) <= 256:  # noqa: PLR2004 - documented
        raise _wrong("secret must have 6 to 256 characters")
    events = body.get("events", ["*"])
    if not isinstance(events, list) or not events or not EVENTS.issuperset(map(str, events)):
        raise _wrong("events must be known events")
    if body.get("apiVersion") not in (None, "2024-10-01"):
        raise _wrong("apiVersion is not known")
    authentication = body.get("authentication")
    if authentication is not None and (
        not isinstance(authentication, dict)
        or set(authentication) != {"headerName", "headerValue"}
        or not re.fullmatch(r"[a-z0-9-_]{1,128}", str(authentication["headerName"]))
    ):
        raise _wrong("authentication must have headerName and headerValue")


def _check_url(url: object) -> None:
    if not isinstance(url, str) or not 8 <= len(url) <= 200:  # noqa: PLR2004 - documented
        raise _wrong("url must have 8 to 200 characters")
    at = URL(url)
    local = at.host in {"127.0.0.1", "::1", "localhost"}  # no certificate is needed to stay on one machine
    if at.scheme != "https" and not (at.scheme == "http" and local):
        raise _wrong("url must be https")


@routes.post("/webhooks")
async def create(request: web.Request) -> web.Response:
    """Make a subscription."""
    try:
        body = await read_object(request, allowed=MEMBERS, required=("url", "secret"))
    except Refusal as refusal:
        raise _wrong(refusal.detail) from None
    _check(body)
    hooks = request.app[WEBHOOKS]
    if any(each.url == body["url"] for each in hooks.subscriptions.values()):
        raise _wrong("Webhook already exists")
    hook = hooks.subscribe(
        url=body["url"],
        secret=body["secret"],
        events=body.get("events", ["*"]),
        api_version=body.get("apiVersion"),
        authentication=body.get("authentication"),
    )
    return web.json_response(hook.as_json())


@routes.get("/webhooks")
async def list_webhooks(request: web.Request) -> web.Response:
    """Answer a page of subscriptions."""
    return page(request, list(request.app[WEBHOOKS].subscriptions.values()), lambda each: each.as_json())


@routes.get("/webhooks/{id}")
async def get(request: web.Request) -> web.Response:
    """Answer a subscription."""
    return web.json_response(_hook(request).as_json())


@routes.patch("/webhooks/{id}")
async def update(request: web.Request) -> web.Response:
    """Change a subscription, and have it deliver again."""
    hook = _hook(request)
    body = await read_object(request, allowed=MEMBERS)
    _check(body)
    hook.url = body.get("url", hook.url)
    hook.secret = body.get("secret", hook.secret)
    hook.events = body.get("events", hook.events)
    hook.api_version = body.get("apiVersion", hook.api_version)
    hook.authentication = body.get("authentication", hook.authentication)
    request.app[WEBHOOKS].reactivate(hook)
    return web.json_response(hook.as_json())


@routes.delete("/webhooks/{id}")
async def delete(request: web.Request) -> web.Response:
    """Remove a subscription."""
    request.app[WEBHOOKS].unsubscribe(_hook(request))
    return web.Response(status=204)


@routes.post("/webhooks/{id}/test")
async def test(request: web.Request) -> web.Response:
    """Send a test event now and say how it went."""
    return web.json_response(await request.app[WEBHOOKS].test(_hook(request)))
