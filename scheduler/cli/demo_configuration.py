"""The demonstration's configuration: an ordinary file, written from what the simulated world says of itself."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.cli import demo_market

WEBHOOK_PATH = "/webhooks/enode"
WEBHOOK_SECRET = "a secret of the demonstration"  # noqa: S105 - it never leaves this machine
MINIMUM_PCT = 20.0

SPOT: Mapping[str, Any] = {
    "name": "spot",
    "source": demo_market.NAME,
    "surcharge_per_kwh": 0.05,
    "tax_per_kwh": 0.09,
    "vat_pct": 25.0,
    "grid_fees": [
        {"per_kwh": 0.29},
        {"start": "06:00", "end": "22:00", "days": ["mon-fri"], "per_kwh": 0.37},
    ],
}
"""A contract that follows the market: the market price, the supplier's and the grid's share, taxes."""

TIME_OF_USE: Mapping[str, Any] = {
    "name": "time-of-use",
    "per_kwh": 0.31,
    "windows": [
        {"start": "17:00", "end": "21:00", "per_kwh": 0.39},
        {"start": "23:00", "end": "05:00", "per_kwh": 0.22},
    ],
}
"""A contract with three prices by the clock."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where everything of one demonstration is. `webhook_port` None: polling only; `page_port` None: no page.

    `dashboard`: the page is the one behind a login, in place of the one that can only be looked at.
    """

    directory: Path
    api_url: str
    webhook_port: int | None = None
    page_port: int | None = None
    dashboard: bool = False

    @property
    def configuration(self) -> Path:
        """The configuration file."""
        return self.directory / "kwhen.toml"

    @property
    def database(self) -> Path:
        """The store."""
        return self.directory / "kwhen.db"


def write(places: Places, description: Mapping[str, Any]) -> Path:
    """Write the configuration and its secrets for a described world; return the configuration's path."""
    secrets = {"enode_client_secret": description["client_secret"], "webhook_secret": WEBHOOK_SECRET}
    for name, text in secrets.items():
        path = places.directory / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    places.configuration.write_text("\n".join(_lines(places, description)) + "\n", encoding="utf-8")
    return places.configuration


def _lines(places: Places, description: Mapping[str, Any]) -> Iterator[str]:
    yield from _members({"socket": str(places.directory / "kwhen.sock"), "secrets_dir": str(places.directory)})
    yield from _table(
        "[enode]",
        {
            "url": places.api_url,
            "token_url": f"{places.api_url}/oauth2/token",
            "client_id": description["client_id"],
        },
    )
    if places.webhook_port is not None:
        address = f"127.0.0.1:{places.webhook_port}"
        yield from _table("[webhook]", {"listen": address, "public_url": f"http://{address}{WEBHOOK_PATH}"})
    listen = "" if places.page_port is None else f"127.0.0.1:{places.page_port}"
    yield from _table("[http]", {"page": "dashboard" if places.dashboard else "status", "listen": listen})
    yield from _table("[storage]", {"url": f"sqlite:///{places.database}"})
    yield from _table("[log]", {"level": "error", "format": "console"})
    zone = description["prices"][0]
    source = {"name": demo_market.NAME, "source": demo_market.SOURCE, "url": places.api_url + demo_market.PATH}
    yield from _table("[[prices]]", source | zone)
    for user in description["users"]:
        yield from _home(user, zone["currency"])


def _home(user: Mapping[str, Any], market_currency: str) -> Iterator[str]:
    spot = user["timezone"] == demo_market.TIMEZONE
    yield from _table(
        "[[home]]",
        {
            "id": user["id"].removeprefix("home-"),
            "user_id": user["id"],
            "timezone": user["timezone"],
            "location_id": user["locations"][0]["id"],
            "charger_ids": user["chargers"],
            "currency": market_currency if spot else "EUR",
        },
    )
    for vehicle in user["vehicles"]:
        yield from _table(
            "[[home.vehicle]]",
            {
                "id": vehicle["id"],
                "name": vehicle["name"],
                "capacity_kwh": vehicle["capacity_kwh"],
                "charge_power_kw": vehicle["max_power_kw"],
            },
        )
    yield from _table("[[home.policy]]", {"name": "minimum-soc", "soc_pct": MINIMUM_PCT})
    for wish in _wishes(user["vehicles"]):
        yield from _table("[[home.policy]]", {"name": "ready-by", **wish})
    yield from _table("[[home.policy]]", SPOT if spot else TIME_OF_USE)


def _wishes(vehicles: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what the home's owners want, each wish once: a policy speaks for all cars of its home."""
    found: list[dict[str, Any]] = []
    for vehicle in vehicles:
        wish = {"at": vehicle["departure"], "days": vehicle["days"], "soc_pct": vehicle["target_soc_pct"]}
        if vehicle["departure"] is not None and wish not in found:
            found.append(wish)
    return found


def _table(heading: str, members: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield heading
    yield from _members(members)


def _members(members: Mapping[str, Any]) -> Iterator[str]:
    for name, value in members.items():
        yield f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    """Return a value as TOML writes it: text, numbers, truth, lists of them, and tables in one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value)
