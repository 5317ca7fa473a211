"""`kwhen home place|create|show|remove|pause|resume` and `kwhen interventions`, over the daemon's socket."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from scheduler.cli.connection import Connection, vehicle_path
from scheduler.cli.ending import NOT_SO, USAGE, Ending
from scheduler.cli.linking import only_user, user_path
from scheduler.cli.options import CarArgument, JsonOption, SocketOption
from scheduler.cli.terminal import BAD, GOOD, QUIET, STRONG, WARN, Styled, show, show_json

HomeArgument = Annotated[str, typer.Argument(metavar="HOME", help="Id of the home.")]
UserOption = Annotated[str | None, typer.Option("--user", help="The Enode user, when there are several.")]


def add_to(app: typer.Typer, homes: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel="Linking")(interventions)
    for name, command in (
        ("place", place),
        ("create", create),
        ("show", show_home),
        ("remove", remove),
        ("pause", pause),
        ("resume", resume),
    ):
        homes.command(name)(command)


def interventions(
    *,
    car: CarArgument,
    language: Annotated[str, typer.Option("--language", help="E.g. nb-NO; en-US where there is nothing.")] = "en-US",
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a person must or can do for a car: in the vendor's app, in the car, or at the charger."""
    connection = Connection(socket)
    view = connection.get(vehicle_path(car, "/interventions"), language=language)
    conflicts = connection.get(vehicle_path(car, "/conflicts"))["conflicts"]
    if as_json:
        show_json(view | {"conflicts": conflicts})
        return
    found = view["interventions"]
    if not found and not conflicts:
        show(Styled("Nothing is asked of you.", GOOD))
    for one in found:
        _intervention(one)
    for one in conflicts:
        show((Styled("Another hand: ", BAD), one["text"], Styled(f"  [{one['id']}]", QUIET)))


def _intervention(one: dict[str, Any]) -> None:
    kind = Styled("needed: ", BAD) if one["blocking"] else Styled("optional: ", WARN)
    show((kind, Styled(one["title"], STRONG)))
    told = [f"{one['who']} acts" if one["who"] else "", one["where"], ", ".join(one["capabilities"])]
    show(Styled(f"  {' · '.join(part for part in told if part)}", QUIET))
    for line in plain(one["description"]):
        show(f"  {line}")
    if one["relink"]:
        show(Styled(f"  Solved by linking again: kwhen link again {one['relink']}", QUIET))


def plain(markdown: str) -> list[str]:
    """Return Markdown as lines for a terminal: emphasis and tags away, addresses in brackets."""
    text = re.sub(r"<br\s*/?>", "\n", markdown)
    text = re.sub(r"<[^>]*>", "", text)
    text = re.sub(r"\[([^\]]*)\]\(([^)\s]*)\)", r"\1 (\2)", text)
    text = re.sub(r"\*\*|__|`", "", text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def place(
    *,
    latitude: Annotated[float | None, typer.Option("--latitude", help="Degrees north.")] = None,
    longitude: Annotated[float | None, typer.Option("--longitude", help="Degrees east.")] = None,
    where_is: Annotated[str | None, typer.Option("--where-is", metavar="CAR", help="Where this car is now.")] = None,
    timezone: Annotated[str, typer.Option("--timezone", help="IANA zone, e.g. Europe/Oslo.")],
    name: Annotated[str, typer.Option("--name", help="What the place is called.")] = "Home",
    charger: Annotated[list[str] | None, typer.Option("--charger", help="Only this charger; all if none.")] = None,
    user: UserOption = None,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where the home is, by coordinates or by where a car is now, and put its chargers there."""
    connection = Connection(socket)
    user_id = user or only_user(connection)
    if where_is is not None:
        found = connection.get(vehicle_path(where_is, "/position"))
        latitude, longitude = found["latitude"], found["longitude"]
    if latitude is None or longitude is None:
        raise Ending(USAGE, "where is it?", remedy="Give --latitude and --longitude, or --where-is CAR.")
    chargers = charger or [one["id"] for one in connection.get(user_path(user_id, "/account"), fresh=1)["chargers"]]
    body = {"latitude": latitude, "longitude": longitude, "timezone": timezone, "name": name, "charger_ids": chargers}
    placed = connection.post(user_path(user_id, "/places"), body)
    if as_json:
        show_json(placed)
        return
    how = "was there already" if placed["reused"] else "made"
    show(
        (
            Styled("Place: ", GOOD),
            Styled(placed["name"], STRONG),
            f" ({how})",
            Styled(f"  {placed['location_id']}", QUIET),
        )
    )
    for one in placed["charger_ids"]:
        show((Styled("Charger there: ", GOOD), one))
    for warning in placed["warnings"]:
        show((Styled("Look: ", WARN), warning))


def create(
    *,
    home: HomeArgument,
    file: Annotated[Path | None, typer.Option("--file", help="One [[home]] table as TOML, instead of options.")] = None,
    user: UserOption = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="IANA zone; the place's if not given.")] = None,
    location: Annotated[
        str | None, typer.Option("--location", help="Id of the place; the only one if not given.")
    ] = None,
    ready_by: Annotated[str | None, typer.Option("--ready-by", help="Daily departure, e.g. 07:30.")] = None,
    target: Annotated[float, typer.Option("--target", min=1, max=100, help="State of charge at departure [%].")] = 80.0,
    minimum: Annotated[float | None, typer.Option("--minimum", min=0, max=100, help="Reserve [%].")] = None,
    prices: Annotated[str | None, typer.Option("--prices", help="Name of a [[prices]] source to follow.")] = None,
    observe: Annotated[bool, typer.Option("--observe", help="Decide and show, send nothing.")] = False,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a home of what is linked, in the running daemon; the configuration file stays as it is."""
    connection = Connection(socket)
    if file is not None:
        table = _table_in(file) | {"id": home}
    else:
        user_id = user or only_user(connection)
        account = connection.get(user_path(user_id, "/account"), fresh=1)
        table = table_of(home, account, location=location, timezone=timezone)
        table["mode"] = "observe" if observe else "control"
        table["policy"] = policies_of(ready_by=ready_by, target=target, minimum=minimum, prices=prices)
    made = connection.post("/homes", table)
    if as_json:
        show_json(made)
        return
    show((Styled("Home: ", GOOD), Styled(made["id"], STRONG), Styled(f"  {len(table.get('vehicle', []))} cars", QUIET)))


def _table_in(file: Path) -> dict[str, Any]:
    try:
        read = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Ending(USAGE, f"{file} cannot be read", details=[str(error)]) from error
    tables = read.get("home")
    return tables[0] if isinstance(tables, list) and tables else read


def table_of(home: str, account: dict[str, Any], *, location: str | None, timezone: str | None) -> dict[str, Any]:
    """Return the table of a home with all that is linked and in no home yet. Ends when the place is not clear."""
    places = [one for one in account["locations"] if location in {None, one["id"]}]
    if len(places) != 1:
        known = [f"{one['id']}  {one['name']}" for one in account["locations"]]
        raise Ending(NOT_SO, "which place?" if places else "there is no such place", details=known,
                     remedy="`kwhen home place` makes one; --location names it.")  # fmt: skip
    (spot,) = places
    chargers = [c["id"] for c in account["chargers"] if c["location_id"] == spot["id"] and c["home_id"] is None]
    cars = [{"id": one["id"], "name": one["name"]} for one in account["vehicles"] if one["home_id"] is None]
    return {
        "id": home,
        "user_id": account["user_id"],
        "timezone": timezone or spot["timezone"],
        "location_id": spot["id"],
        "charger_ids": chargers,
        "vehicle": cars,
    }


def policies_of(
    *, ready_by: str | None, target: float, minimum: float | None, prices: str | None
) -> list[dict[str, Any]]:
    """Return the policies that the options ask for, in their usual precedence."""
    found: list[dict[str, Any]] = []
    if minimum is not None:
        found.append({"name": "minimum-soc", "soc_pct": minimum})
    if ready_by is not None:
        found.append({"name": "ready-by", "at": ready_by, "soc_pct": target})
    if prices is not None:
        found.append({"name": "spot", "source": prices})
    return found


def show_home(*, home: HomeArgument, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Show a home as the lines to paste into a configuration."""
    view = Connection(socket).get(f"/homes/{quote(home, safe='')}")
    if as_json:
        show_json(view)
        return
    where = f"{view['file']}:{view['line']}" if view["line"] else view["file"] or "made at run time"
    show(Styled(f"# {where}", QUIET))
    print(view["lines"], end="")


def remove(
    *,
    home: HomeArgument,
    release: Annotated[bool, typer.Option("--release", help="Start its held cars first.")] = False,
    socket: SocketOption = None,
) -> None:
    """Remove a home that was made at run time."""
    Connection(socket).delete(f"/homes/{quote(home, safe='')}", release=1 if release else None)
    show((Styled("Removed: ", GOOD), home))


def pause(
    *,
    subject: Annotated[str, typer.Argument(metavar="HOME|CAR", help="Id of a home or a car.")],
    until: Annotated[str, typer.Option("--until", help="2026-12-24T12:00 (local time of the home).")],
    socket: SocketOption = None,
) -> None:
    """Only watch a home or a car until then; what is held is started first."""
    view = Connection(socket).put(f"/pauses/{quote(subject, safe='')}", {"until": until})
    show((Styled("Only watched until ", WARN), view["until"]))


def resume(
    *,
    subject: Annotated[str, typer.Argument(metavar="HOME|CAR", help="Id of a home or a car.")],
    socket: SocketOption = None,
) -> None:
    """End a pause now."""
    Connection(socket).delete(f"/pauses/{quote(subject, safe='')}")
    show((Styled("Resumed: ", GOOD), subject))
