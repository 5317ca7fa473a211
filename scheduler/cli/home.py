"""`kwhen home discover` and `kwhen link`: what the account at Enode holds, and how more gets into it."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scheduler.cli.ending import USAGE, Ending
from scheduler.cli.options import ConfigOption, JsonOption
from scheduler.cli.terminal import QUIET, STRONG, Styled, show, show_json, show_table

if TYPE_CHECKING:
    from scheduler.enode.tokens import Account
    from scheduler.enode.values import VehicleCard

SECRET_VARIABLE = "KWHEN_ENODE__CLIENT_SECRET"  # noqa: S105 - the name of a variable
RETURN_TO = "https://example.com/"
"""Where the browser goes after linking when nothing better is known: a page that exists and keeps nothing."""

USED = frozenset({"chargeState", "location", "startCharging", "stopCharging"})
"""The capabilities of a vehicle that kwhen uses: what stands in the way of others is not its business."""

homes = typer.Typer(help="Homes: what the account holds.", no_args_is_help=True)
links = typer.Typer(help="Link a vehicle, then its charger: prints the address to open.", no_args_is_help=True)

UrlOption = Annotated[str | None, typer.Option("--url", help="Enode's API, instead of the configuration's.")]
TokenUrlOption = Annotated[str | None, typer.Option("--token-url", help="Where its tokens come from.")]
ClientIdOption = Annotated[str | None, typer.Option("--client-id", help="Client id; the secret comes from "
                                                   f"{SECRET_VARIABLE} or is asked for.")]  # fmt: skip
UserOption = Annotated[str | None, typer.Option("--user", help="The Enode user; you choose the id of a new one.")]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What belongs to one user."""

    user_id: str
    vehicles: list[dict[str, Any]]
    chargers: list[dict[str, Any]]
    locations: list[dict[str, Any]]


@homes.command()
def discover(
    *,
    user: Annotated[str | None, typer.Option("--user", help="Only this Enode user.")] = None,
    url: UrlOption = None,
    token_url: TokenUrlOption = None,
    client_id: ClientIdOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show users, vehicles, chargers and locations, and a block to paste into the configuration."""
    account = _account(url, token_url, client_id, config)
    found = asyncio.run(_discover(account, user))
    if as_json:
        show_json({"users": [vars(one) for one in found]})
        return
    if not found:
        show(Styled("The account has no user yet: `kwhen link vehicle --user ID` links the first car.", QUIET))
    for one in found:
        _show(one)
    if found:
        show()
        show(Styled("# To paste into the configuration; adjust names, zone and policies.", QUIET))
        for one in found:
            for line in toml_of(one):
                show(line)


def _account(url: str | None, token_url: str | None, client_id: str | None, config: Path | None) -> "Account":
    """Return the account that the options give, or the configured one."""
    from scheduler.cli.configured import account_of, settings_of
    from scheduler.enode.tokens import Account

    given = [url, token_url, client_id]
    if not any(given):
        return account_of(settings_of(config))
    if url is None or token_url is None or client_id is None:
        raise Ending(USAGE, "--url, --token-url and --client-id go together", remedy="Give all three, or none.")
    secret = os.environ.get(SECRET_VARIABLE) or typer.prompt("Client secret", hide_input=True, err=True)
    try:
        return Account(api_url=url, token_url=token_url, client_id=client_id, client_secret=secret)
    except ValueError as error:
        raise Ending(USAGE, str(error)) from error


async def _discover(account: "Account", only: str | None) -> list[Found]:
    from scheduler.cli.configured import enode
    from scheduler.clock import SystemClock
    from scheduler.enode.mapping import card_of, charger_of

    now = SystemClock().now()
    async with enode(account) as client:
        users = [only] if only else [one.id for one in await client.users()]
        found = []
        for user_id in users:
            vehicles = [card_of(raw) for raw in await client.vehicles(user_id)]
            chargers = [charger_of(raw, received_at=now) for raw in await client.chargers(user_id)]
            places = await client.locations(user_id)
            found.append(
                Found(
                    user_id=user_id,
                    vehicles=[
                        _vehicle(v)
                        for v in vehicles
                    ],
                    chargers=[
                        {"id": c.charger_id, "vendor": c.vendor, "name": c.name, "location_id": c.location_id,
                         "vehicle_id": c.vehicle_id}
                        for c in chargers
                    ],
                    locations=[{"id": p.id, "name": p.name, "timezone": p.timezone} for p in places],
                )
            )  # fmt: skip
        return found


def _vehicle(card: "VehicleCard") -> dict[str, Any]:
    needs = list(dict.fromkeys(need.capability for need in card.needs if need.capability in USED and not need.optional))
    return {"id": card.vehicle_id, "vendor": card.vendor, "name": card.name, "needs": needs}


def _show(one: Found) -> None:
    show()
    show((Styled("user ", QUIET), Styled(one.user_id, STRONG)))
    rows = [["vehicle", v["id"], _label(v), ", ".join(v["needs"]) and f"needs a person: {', '.join(v['needs'])}"]
            for v in one.vehicles]  # fmt: skip
    rows += [["charger", c["id"], _label(c), f"at {c['location_id']}" if c["location_id"] else "has no location"]
             for c in one.chargers]  # fmt: skip
    rows += [["location", p["id"], p["name"], p["timezone"]] for p in one.locations]
    show_table(("KIND", "ID", "NAME", "MORE"), rows)


def _label(asset: dict[str, Any]) -> str:
    return " ".join(part for part in (asset["vendor"], asset["name"]) if part)


def toml_of(one: Found) -> list[str]:
    """Return the lines of a `[[home]]` table for one user; the first location is taken for the home."""
    place = one.locations[0] if one.locations else None
    here = [c["id"] for c in one.chargers if place is None or c["location_id"] in {None, place["id"]}]
    zone = place["timezone"] if place else "Europe/Oslo"
    lines = ["", "[[home]]", f"id = {_quoted(_slug(one.user_id))}"]
    lines += [f"user_id = {_quoted(one.user_id)}", f"timezone = {_quoted(zone)}"]
    if place:
        lines.append(f"location_id = {_quoted(place['id'])}")
    if here:
        lines.append(f"charger_ids = [{', '.join(_quoted(charger) for charger in here)}]")
    lines += ['mode = "observe"  # decides and shows, sends nothing; "control" when you trust it']
    for vehicle in one.vehicles:
        lines += ["", "[[home.vehicle]]", f"id = {_quoted(vehicle['id'])}"]
        lines.append(f"name = {_quoted(vehicle['name'] or vehicle['vendor'].title())}")
    return [*lines, "", "[[home.policy]]", 'name = "ready-by"', 'at = "07:00"', "soc_pct = 80"]


def _quoted(text: str) -> str:
    """Return the text as a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _slug(text: str) -> str:
    words = "".join(c.lower() if c.isalnum() else " " for c in text).split()
    return "-".join(words) or "home"


@links.command()
def vehicle(
    *,
    user: UserOption = None,
    redirect: Annotated[str, typer.Option("--redirect", help="Where the browser goes afterwards.")] = RETURN_TO,
    vendor: Annotated[str | None, typer.Option("--vendor", help="Skips the choice of a brand, e.g. TESLA.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a session in which a person links a vehicle account."""
    _link("vehicle", user, redirect, vendor, config=config, as_json=as_json)


@links.command()
def charger(
    *,
    user: UserOption = None,
    redirect: Annotated[str, typer.Option("--redirect", help="Where the browser goes afterwards.")] = RETURN_TO,
    vendor: Annotated[str | None, typer.Option("--vendor", help="Skips the choice of a brand, e.g. ZAPTEC.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a session in which a person links the charger of the same home: it tells where the car is plugged in."""
    _link("charger", user, redirect, vendor, config=config, as_json=as_json)


def _link(
    kind: str, user: str | None, redirect: str, vendor: str | None, *, config: Path | None, as_json: bool
) -> None:
    from scheduler.cli.configured import account_of, enode, settings_of
    from scheduler.enode.linking import LinkRequest, link_charger, link_vehicle

    settings = settings_of(config)
    user_id = user or _only_user([home.user_id for home in settings.homes])
    try:
        request = LinkRequest(redirect_uri=redirect, vendor=vendor)
    except ValueError as error:
        raise Ending(USAGE, str(error)) from error

    async def opened() -> str:
        async with enode(account_of(settings)) as client:
            session = await (link_vehicle if kind == "vehicle" else link_charger)(client, user_id, request)
            return session.url

    url = asyncio.run(opened())
    if as_json:
        show_json({"user_id": user_id, "kind": kind, "url": url})
        return
    show(Styled(f"Open this within 24 hours to link a {kind} to user {user_id}. Whoever has it can use it:", QUIET))
    print(url)
    if kind == "vehicle":
        show(Styled("Then link the charger, `kwhen link charger`: it proves that the car is at home.", QUIET))


def _only_user(configured: list[str]) -> str:
    users = sorted(set(configured))
    if len(users) == 1:
        return users[0]
    names = f"Configured: {', '.join(users)}." if users else "No home is configured yet: choose any id."
    raise Ending(USAGE, "which user?", details=[names], remedy="Give --user ID.")
