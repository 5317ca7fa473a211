"""Routes of the API for tokens, users, link sessions, Locations, and health."""

import re
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import available_timezones

from aiohttp import web

from simulator.answers import Refusal, invalid, page, read_object
from simulator.instants import zulu
from simulator.keys import BASE_URL, LINKS, TOKENS, WORLD
from simulator.linking import LANGUAGES, SCOPES, LinkSession
from simulator.places import Point
from simulator.remedies import needs_linking
from simulator.tokens import LIFETIME_S
from simulator.wire import location_json
from simulator.world import Location, User, World

routes = web.RouteTableDef()

LINK_MEMBERS = ("vendorType", "vendor", "scopes", "language", "redirectUri", "colorScheme")
LOCATION_MEMBERS = ("name", "latitude", "longitude", "timezoneName")
LONGEST_URI = 500
COLOURS = ("system", "light", "dark")


@routes.post("/oauth2/token")
async def issue_token(request: web.Request) -> web.Response:
    """Give out an access token."""
    form = parse_qs((await request.read()).decode("utf-8", "replace"))
    if form.get("grant_type") != ["client_credentials"]:
        body = {"error": "unsupported_grant_type", "error_description": "Only client_credentials is known."}
        return web.json_response(body, status=400)
    token = request.app[TOKENS].issue(request.headers.get("authorization", ""))
    if token is None:
        body = {"error": "invalid_client", "error_description": "Client authentication failed."}
        return web.json_response(body, status=401)
    return web.json_response(
        {"access_token": token, "expires_in": LIFETIME_S, "scope": "", "token_type": "bearer"},
        headers={"cache-control": "no-store"},
    )


@routes.get("/health/ready")
async def ready(_request: web.Request) -> web.Response:
    """Say that the service is up."""
    return web.Response(status=204)


@routes.get("/users")
async def list_users(request: web.Request) -> web.Response:
    """Answer a page of users."""
    world = request.app[WORLD]

    def render(user: User) -> dict[str, Any]:
        scopes = {scope for each in _assets(world, user.id) for scope in each.scopes}
        return {"id": user.id, "createdAt": zulu(user.created_at), "scopes": sorted(scopes)}

    return page(request, list(world.users.values()), render)


@routes.get("/users/{user_id}")
async def get_user(request: web.Request) -> web.Response:
    """Answer a user with the vendors linked."""
    world, user_id = request.app[WORLD], request.match_info["user_id"]
    user = world.users.get(user_id)
    if user is None:
        raise Refusal(404, f"Could not find user with ID {user_id}", title="User does not exist")
    vendors = [(each.vendor, "vehicle") for each in world.vehicles.values() if each.user_id == user_id]
    vendors += [(each.vendor, "charger") for each in world.chargers.values() if each.user_id == user_id]
    linked = [
        {"vendor": vendor, "vendorType": kind, "isValid": vendor not in user.invalid_vendors}
        for vendor, kind in dict.fromkeys(vendors)
    ]
    return web.json_response({"id": user.id, "linkedVendors": linked})


@routes.delete("/users/{user_id}")
async def delete_user(request: web.Request) -> web.Response:
    """Remove a user and all that is theirs."""
    request.app[WORLD].remove_user(request.match_info["user_id"])
    return web.Response(status=204)


@routes.delete("/users/{user_id}/authorization")
async def deauthorize_user(request: web.Request) -> web.Response:
    """Drop a user's credentials; no event follows."""
    world, user_id = request.app[WORLD], request.match_info["user_id"]
    user = world.users.get(user_id)
    if user is not None:
        for vendor in {each.vendor for each in _assets(world, user_id)}:
            world.accounts.lose(user_id, vendor)
    return web.Response(status=204)


@routes.delete("/users/{user_id}/vendors/{vendor}")
@routes.delete("/users/{user_id}/vendors/{vendor}/{vendor_type}")
async def delete_vendor(request: web.Request) -> web.Response:
    """Unlink a vendor: its devices go."""
    world, match = request.app[WORLD], request.match_info
    world.accounts.end(match["user_id"], match["vendor"], kind=match.get("vendor_type"))
    return web.Response(status=204)


@routes.post("/users/{user_id}/link")
async def open_link(request: web.Request) -> web.Response:
    """Open a link session; a user who is not known yet comes into being."""
    world, user_id = request.app[WORLD], request.match_info["user_id"]
    body = await read_object(request, allowed=LINK_MEMBERS, required=("scopes", "language", "redirectUri"))
    vendor_type, vendor = _read_target(world, body)
    redirect_uri = _read_appearance(body)
    assets = len(world.vehicles) + len(world.chargers)
    if world.connections_limit is not None and assets >= world.connections_limit:
        detail = f"Unable to create more connections for ClientID: {world.client_id}"
        raise Refusal(403, detail, title="Connections limit reached.")
    if user_id not in world.users:
        world.add_user(user_id, home=world.first_home.point, timezone=world.first_home.timezone)
    session = request.app[LINKS].open(
        user_id=user_id,
        redirect_uri=redirect_uri,
        vendor_type=vendor_type,
        vendor=vendor,
        scopes=tuple(body["scopes"]),
    )
    return _link_answer(request, session)


@routes.post("/assets/{id}/relink")
async def relink(request: web.Request) -> web.Response:
    """Open a link session for an asset whose account was lost, or wants to be linked again for another reason."""
    world, asset_id = request.app[WORLD], request.match_info["id"]
    body = await read_object(
        request, allowed=("language", "redirectUri", "colorScheme"), required=("language", "redirectUri")
    )
    asset = world.accounts.device(asset_id)
    if asset is None or not needs_linking(asset):
        raise Refusal(400, "Asset not found or already linked")
    session = request.app[LINKS].open(
        user_id=asset.user_id,
        redirect_uri=_read_appearance(body),
        vendor_type="vehicle" if asset_id in world.vehicles else "charger",
        vendor=asset.vendor,
        scopes=asset.scopes,
        relinks=asset_id,
    )
    return _link_answer(request, session)


@routes.get("/locations")
@routes.get("/users/{user_id}/locations")
async def list_locations(request: web.Request) -> web.Response:
    """Answer a page of Locations."""
    user_id = request.match_info.get("user_id")
    mine = [each for each in request.app[WORLD].locations.values() if user_id in (None, each.user_id)]
    return page(request, mine, location_json)


@routes.post("/users/{user_id}/locations")
async def create_location(request: web.Request) -> web.Response:
    """Make a Location of a user."""
    user_id = request.match_info["user_id"]
    if user_id not in request.app[WORLD].users:
        raise Refusal(404, f"Could not find user with ID {user_id}", title="User does not exist")
    body = await read_object(request, allowed=LOCATION_MEMBERS, required=("name", "latitude", "longitude"))
    return _new_location(request.app[WORLD], user_id, body)


@routes.post("/locations")
async def create_location_without_path(request: web.Request) -> web.Response:
    """Make a Location of the user named in the body: the form that the integration guide writes."""
    world = request.app[WORLD]
    allowed = (*LOCATION_MEMBERS, "userId")
    body = await read_object(request, allowed=allowed, required=("name", "latitude", "longitude"))
    user_id = body.get("userId") or (next(iter(world.users)) if len(world.users) == 1 else None)
    if user_id not in world.users:
        raise invalid("userId", "is no known user")
    return _new_location(world, user_id, body)


@routes.get("/locations/{id}")
async def get_location(request: web.Request) -> web.Response:
    """Answer a Location."""
    return web.json_response(location_json(_location(request)))


@routes.put("/locations/{id}")
async def put_location(request: web.Request) -> web.Response:
    """Change what the body names of a Location."""
    location = _location(request)
    body = await read_object(request, allowed=LOCATION_MEMBERS)
    _check_location(body)
    location.name = body.get("name", location.name)
    location.timezone = body.get("timezoneName", location.timezone)
    location.point = Point(
        latitude=body.get("latitude", location.point.latitude),
        longitude=body.get("longitude", location.point.longitude),
    )
    request.app[WORLD].publish_places(location.user_id)
    return web.json_response(location_json(location))


@routes.delete("/locations/{id}")
async def delete_location(request: web.Request) -> web.Response:
    """Remove a Location and answer it; chargers there lose theirs."""
    world, location = request.app[WORLD], _location(request)
    del world.locations[location.id]
    for charger in world.chargers.values():
        if charger.location_id == location.id:
            charger.location_id = None
            charger.location_at = world.agenda.now
            world.publish_charger(charger)
    world.publish_places(location.user_id)
    return web.json_response(location_json(location))


def _assets(world: World, user_id: str) -> list[Any]:
    every: list[Any] = [*world.vehicles.values(), *world.chargers.values()]
    return [each for each in every if each.user_id == user_id]


def _location(request: web.Request) -> Location:
    found = request.app[WORLD].locations.get(request.match_info["id"])
    if found is None:
        raise Refusal(404, "The requested location wasn't found.")
    return found


def _new_location(world: World, user_id: str, body: dict[str, Any]) -> web.Response:
    _check_location(body)
    point = Point(latitude=body["latitude"], longitude=body["longitude"])
    location = world.add_location(user_id, name=body["name"], point=point, timezone=body.get("timezoneName", "UTC"))
    return web.json_response(location_json(location))


def _check_location(body: dict[str, Any]) -> None:
    if "name" in body and not isinstance(body["name"], str):
        raise invalid("name", "must be text")
    for member, most in (("latitude", 90), ("longitude", 180)):
        value = body.get(member, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > most:
            raise invalid(member, f"must be a number from {-most} to {most}")
    if "timezoneName" in body and body["timezoneName"] not in available_timezones():
        raise invalid("timezoneName", "is no time zone")


def _read_target(world: World, body: dict[str, Any]) -> tuple[str, str | None]:
    scopes, brands = body["scopes"], world.accounts.brands
    if not isinstance(scopes, list) or not scopes or not SCOPES.issuperset(map(str, scopes)):
        raise invalid("scopes", "must be known scopes, at least one")
    vendor_type = body.get("vendorType") or str(scopes[0]).partition(":")[0]
    if vendor_type not in brands:
        raise invalid("vendorType", "is not simulated: vehicle and charger are")
    if f"{vendor_type}:read:data" not in scopes:
        raise invalid("scopes", f"must have {vendor_type}:read:data")
    vendor = body.get("vendor")
    if vendor is not None and vendor not in brands[vendor_type]:
        raise invalid("vendor", f"is not simulated: {', '.join(brands[vendor_type])} are")
    return vendor_type, vendor


def _read_appearance(body: dict[str, Any]) -> str:
    """Check what both kinds of link sessions take, and return the address to go back to."""
    if body["language"] not in LANGUAGES:
        raise invalid("language", f"must be one of: {', '.join(sorted(LANGUAGES))}")
    if body.get("colorScheme", COLOURS[0]) not in COLOURS:
        raise invalid("colorScheme", f"must be one of: {', '.join(COLOURS)}")
    uri = body["redirectUri"]
    if not isinstance(uri, str) or len(uri) > LONGEST_URI or not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://.", uri):
        raise invalid("redirectUri", f"must be a URI of at most {LONGEST_URI} characters")
    return uri


def _link_answer(request: web.Request, session: LinkSession) -> web.Response:
    base_url = request.app[BASE_URL] or f"{request.scheme}://{request.host}"
    return web.json_response({"linkUrl": f"{base_url}/link/{session.token}", "linkToken": session.token})
