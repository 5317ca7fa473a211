"""What the devices of the world ask of people, and a button to have done it: `/_sim/interventions`."""

from html import escape

from aiohttp import web

from simulator import remedies
from simulator.answers import Refusal
from simulator.interventions import CATALOGUE
from simulator.keys import WORLD
from simulator.markup import document
from simulator.remedies import Device

routes = web.RouteTableDef()


@routes.get("/_sim/interventions")
async def show(request: web.Request) -> web.Response:
    """Show every device with what it asks for itself."""
    world = request.app[WORLD]
    every: list[Device] = [*world.vehicles.values(), *world.chargers.values()]
    devices = "".join(_section(each) for each in every)
    return document("What the devices ask for", devices or "<p>Nothing is linked.</p>")


@routes.post("/_sim/interventions")
async def solve(request: web.Request) -> web.Response:
    """Have somebody do what a device asks for, and show the page again."""
    world, form = request.app[WORLD], await request.post()
    device = world.accounts.device(str(form.get("device")))
    if device is None:
        raise Refusal(404, "No such device.")
    try:
        remedies.solve(world, device, str(form.get("intervention")))
    except ValueError as error:
        raise Refusal(400, str(error)) from error
    return web.Response(status=303, headers={"location": request.path})


def _section(device: Device) -> str:
    heading = f"<h2>{escape(device.brand)} {escape(device.model)}</h2><p>{escape(device.user_id)}, {device.id}</p>"
    asked = remedies.asked_of(device)
    return heading + ("".join(_one(device, each) for each in asked) or "<p>It asks for nothing.</p>")


def _one(device: Device, intervention_id: str) -> str:
    intervention = CATALOGUE[intervention_id]
    title = escape(intervention.as_json()["resolution"]["title"])
    waiting = ", ".join(remedies.waiting_for(device, intervention_id))
    text = f'<fieldset><legend>{title}</legend><p class="note">For: {escape(waiting)}</p>'
    if intervention.action == "Link":
        return f"{text}<p>Linking the account again does this.</p></fieldset>"
    return (
        f'{text}<form method="post"><input type="hidden" name="device" value="{device.id}">'
        f'<input type="hidden" name="intervention" value="{intervention_id}">'
        f'<button aria-label="Done: {title}">Done</button></form></fieldset>'
    )
