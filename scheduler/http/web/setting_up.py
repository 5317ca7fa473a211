"""Setting up: what is linked, what is still to be done, and which homes there are."""

from aiohttp import web

from scheduler.core.errors import ProviderError
from scheduler.core.garage import Account, ChargerCard, Prompt
from scheduler.http import views
from scheduler.http.api import DAEMON
from scheduler.http.daemon import all_vehicles
from scheduler.http.web import setup_cars, setup_home_change, setup_homes, setup_links
from scheduler.http.web.pages import answer
from scheduler.http.web.setup_links import user_of

_OWN = web.RouteTableDef()

DONE = {
    "linked": "Linked.",
    "unlinked": "Nothing was linked.",
    "dismissed": "You will not be asked for it again.",
    "deleted": "The home was deleted.",
    "chosen": "Saved.",
}


@_OWN.get("/setup")
async def setup(request: web.Request) -> web.Response:
    """Show what a user has linked with what it needs, and every home."""
    daemon = request.app[DAEMON]
    users, user_id = await users_of(request)
    account: Account | None = None
    prompts: tuple[Prompt, ...] = ()
    trouble = ""
    try:
        account = await daemon.onboarding.account(user_id)
        prompts = await daemon.onboarding.prompts(user_id)
    except ProviderError as error:
        trouble = str(error)
    names = {known.spec.id: known.name for known in all_vehicles(daemon)}
    paused = {one.subject: one.until for one in await daemon.onboarding.pauses()}
    homes = [views.home_view(home) | {"paused_until": paused.get(home.id)} for home in daemon.homes()]
    return await answer(
        request,
        "setup.html",
        users=users,
        user=user_id,
        account=account,
        prompts=prompts,
        trouble=trouble,
        lost=_lost_chargers(account),
        homes=homes,
        names=names,
        done=DONE.get(request.query.get("done", ""), ""),
    )


async def users_of(request: web.Request) -> tuple[list[str], str]:
    """Return the users to choose from, and the one that is meant: the asked one, else the first."""
    daemon = request.app[DAEMON]
    users = list(dict.fromkeys(home.user_id for home in daemon.homes()))
    asked = request.query.get("user", "")
    if not users or (not asked and request.query.get("all")):  # the provider is asked only where the homes do not say
        try:
            users = await daemon.onboarding.users()
        except ProviderError:
            users = users or []
    user_id = user_of(asked) if asked else next(iter(users), "owner")
    return list(dict.fromkeys([*users, user_id])), user_id


def _lost_chargers(account: Account | None) -> list[ChargerCard]:
    """Return the chargers whose vendor account must be linked again."""
    if account is None:
        return []
    invalid = {one.vendor for one in account.vendors if one.valid is False}
    return [one for one in account.chargers if one.vendor in invalid]


ROUTES = [*_OWN, *setup_links.ROUTES, *setup_homes.ROUTES, *setup_home_change.ROUTES, *setup_cars.ROUTES]
