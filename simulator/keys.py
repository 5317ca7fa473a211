"""What the handlers find in the application."""

from aiohttp import web

from simulator.clock import Clock
from simulator.linking import Links
from simulator.tokens import Tokens
from simulator.webhooks import Webhooks
from simulator.world import World

WORLD = web.AppKey("world", World)
CLOCK = web.AppKey("clock", Clock)
WEBHOOKS = web.AppKey("webhooks", Webhooks)
TOKENS = web.AppKey("tokens", Tokens)
LINKS = web.AppKey("links", Links)
BASE_URL = web.AppKey("base_url", str)
