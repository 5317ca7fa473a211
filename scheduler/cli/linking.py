"""`kwhen link`: a vehicle, then its charger, each through the provider's own page; the terminal waits and tells."""

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from scheduler.cli.connection import Connection
from scheduler.cli.ending import NOT_SO, USAGE, Ending
from scheduler.cli.options import JsonOption, SocketOption
from scheduler.cli.terminal import BAD, GOOD, QUIET, STRONG, WARN, Styled, show, show_json

LOOK_EVERY_S = 5.0
PATIENCE_S = 900.0
"""How long the terminal waits for the person; the link itself lives for a day."""

app = typer.Typer(help="Link a vehicle, then its charger: shows the page to open.", no_args_is_help=True)

UserOption = Annotated[str | None, typer.Option("--user", help="The Enode user; you choose the id of a new one.")]
BackOption = Annotated[str, typer.Option("--redirect", help="Where the browser goes afterwards.")]
LanguageOption = Annotated[str, typer.Option("--language", help="Of the provider's page, e.g. nb-NO.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is linked.")]
EveryOption = Annotated[float, typer.Option("--every", min=0.05, hidden=True, help="Seconds between two looks.")]


@app.command()
def vehicle(
    *,
    user: UserOption = None,
    redirect: BackOption = "",
    language: LanguageOption = "browser",
    wait: WaitOption = True,
    every: EveryOption = LOOK_EVERY_S,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Link a vehicle account; then say whether its charger must be linked too, and why."""
    _link(
        "vehicle",
        user,
        redirect,
        language,
        wait_s=every if wait else None,
        connection=Connection(socket),
        as_json=as_json,
    )


@app.command()
def charger(
    *,
    user: UserOption = None,
    redirect: BackOption = "",
    language: LanguageOption = "browser",
    wait: WaitOption = True,
    every: EveryOption = LOOK_EVERY_S,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Link the charger of the same home: it proves that the car is there, and can start and stop it."""
    _link(
        "charger",
        user,
        redirect,
        language,
        wait_s=every if wait else None,
        connection=Connection(socket),
        as_json=as_json,
    )


@app.command()
def again(
    *,
    asset: Annotated[str, typer.Argument(metavar="ID", help="Id of the vehicle or charger whose account was lost.")],
    redirect: BackOption = "",
    language: LanguageOption = "browser",
    wait: WaitOption = True,
    every: EveryOption = LOOK_EVERY_S,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Link an account again whose credentials were lost."""
    connection = Connection(socket)
    asked = {"back_url": redirect, "language": language}
    start = connection.post(f"/assets/{quote(asset, safe='')}/relink", asked)
    _show(start, connection, wait_s=every if wait else None, as_json=as_json)


def _link(
    kind: str,
    user: str | None,
    redirect: str,
    language: str,
    *,
    wait_s: float | None,
    connection: Connection,
    as_json: bool,
) -> None:
    user_id = user or only_user(connection)
    asked = {"kind": kind, "back_url": redirect, "language": language}
    start = connection.post(user_path(user_id, "/links"), asked)
    _show(start, connection, wait_s=wait_s, as_json=as_json)


def user_path(user_id: str, rest: str) -> str:
    """Return the path of something of a user."""
    return f"/users/{quote(user_id, safe='')}{rest}"


def only_user(connection: Connection) -> str:
    """Return the one user there is. Ends the command when there are none, or several."""
    users: list[str] = connection.get("/users")["users"]
    if len(users) == 1:
        return users[0]
    details = [f"Known: {', '.join(users)}."] if users else ["There is none yet: choose any id."]
    raise Ending(USAGE, "which user?", details=details, remedy="Give --user ID.")


def _show(start: dict[str, Any], connection: Connection, *, wait_s: float | None, as_json: bool) -> None:
    if as_json:
        show_json(start)
        return
    kind, user_id = start["kind"], start["user_id"]
    show(Styled(f"Open this within 24 hours to link a {kind} to user {user_id}. Whoever has it can use it:", QUIET))
    print(start["url"])
    _show_code(start["url"])
    if wait_s is not None:
        _wait(start, connection, every_s=wait_s)
    else:
        show(Styled("`kwhen link …` without --no-wait tells what was linked; `kwhen home discover` lists it.", QUIET))


def _show_code(url: str) -> None:
    """Draw the address as a QR code, for the phone on which the vendor's app and password are."""
    import segno

    segno.make(url, error="l", micro=False).terminal(compact=True)


def _wait(start: dict[str, Any], connection: Connection, *, every_s: float) -> None:
    """Wait until the provider shows what was linked; then tell what is to be done next."""
    show(Styled("Waiting for you to finish there (Ctrl+C to go; nothing is lost by it) …", QUIET))
    path = f"/links/{quote(start['state'], safe='')}"
    give_up = time.monotonic() + PATIENCE_S
    end = connection.get(path)
    while end["waiting"]:
        if time.monotonic() > give_up:
            raise Ending(NOT_SO, f"no {start['kind']} has appeared yet", remedy="The address stays valid for a day.")
        time.sleep(every_s)
        end = connection.get(path)
    connection.post(path, {})
    account = connection.get(user_path(start["user_id"], "/account"))
    kept = {one["id"]: one for one in (*account["vehicles"], *account["chargers"])}
    for one in end["found"]:
        known = kept.get(one, {})
        show((Styled("Linked: ", GOOD), Styled(known.get("name") or one, STRONG), Styled(f"  {one}", QUIET)))
    prompts = connection.get(user_path(start["user_id"], "/prompts"))["prompts"]
    for prompt in prompts:
        show_prompt(prompt)
    if start["kind"] == "charger" or not prompts:
        show(Styled("Next: `kwhen home place` says where the home is, `kwhen home create` makes it.", QUIET))


def show_prompt(prompt: dict[str, Any]) -> None:
    """Show one thing that the owner is asked to do, with the reasons."""
    name = prompt["vehicle_name"]
    if prompt["mandatory"]:
        show((Styled("Needed: ", BAD), f"link the charger of {name}, `kwhen link charger --user {prompt['user_id']}`"))
    else:
        show((Styled("Worth it: ", WARN), f"link the charger of {name} too, `kwhen link charger`"))
    for reason in prompt["reasons"]:
        show(f"  - {reason}")
