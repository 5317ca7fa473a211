"""The configuration: one TOML file, `KWHEN_…` variables over it, secrets beside it; checked whole, replaced whole."""

from scheduler.config.assembly import policy_sets, price_feeds
from scheduler.config.checks import Installed
from scheduler.config.doubts import warnings
from scheduler.config.loading import installed, load, socket_path, state_directory
from scheduler.config.secrets import Secret
from scheduler.config.settings import Enode, Log, PriceSpec, Settings, StatusPage, Webhook

__all__ = [
    "Enode",
    "Installed",
    "Log",
    "PriceSpec",
    "Secret",
    "Settings",
    "StatusPage",
    "Webhook",
    "installed",
    "load",
    "policy_sets",
    "price_feeds",
    "socket_path",
    "state_directory",
    "warnings",
]
