"""The configuration: one TOML file, `KWHEN_…` variables over it, secrets beside it; checked whole, replaced whole."""

from scheduler.config.assembly import calendar_sources, policy_sets, posts_of, price_feeds
from scheduler.config.checks import Installed
from scheduler.config.doubts import warnings
from scheduler.config.homes import checked_home, table_of, toml_of
from scheduler.config.loading import installed, load, socket_path, state_directory
from scheduler.config.secrets import Secret
from scheduler.config.settings import CalendarSpec, Enode, HttpPort, Log, NotifySpec, PriceSpec, Settings, Webhook
from scheduler.config.shown import ShownSetting

__all__ = [
    "CalendarSpec",
    "Enode",
    "HttpPort",
    "Installed",
    "Log",
    "NotifySpec",
    "PriceSpec",
    "Secret",
    "Settings",
    "ShownSetting",
    "Webhook",
    "calendar_sources",
    "checked_home",
    "installed",
    "load",
    "policy_sets",
    "posts_of",
    "price_feeds",
    "socket_path",
    "state_directory",
    "table_of",
    "toml_of",
    "warnings",
]
