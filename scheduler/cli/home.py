"""`kwhen home discover`: what the account at Enode holds, asked directly, no daemon needed."""

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

USED = frozenset({"chargeState", "location", "startCharging", "stopCharging"})
"""The capabilities of a vehicle that kwhen uses: what stands in the way of others is not its business."""

homes = typer.Typer(
    help="Homes: what the account holds, where they are, and what is run in them.", no_args_is_help=True
)

UrlOption = Annotated[str | None, typer.Option("--url", help="Enode's API, instead of the configuration's.")]
TokenUrlOption = Annotated[str | None, typer.Option("--token-url", help="Where its tokens come from.")]
ClientIdOption = Annotated[str | None, typer.Option("--client-id", help="Client id; the secret comes from "
                                                   f"{SECRET_VARIABLE} or is asked for.")]  # fmt: skip


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
