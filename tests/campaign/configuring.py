"""The daemon's configuration file for a life."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.town import Household

HOOK_PATH = "/webhooks/enode"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the file says beside the households. `target_by` is added to every target; `spoilt` makes it unreadable."""

    directory: Path
    url: str
    client_id: str
    zone: str
    hook_port: int | None
    target_by: float = 0.0
    spoilt: bool = False

    def toml(self, households: Sequence[Household]) -> str:
        """Return the file's text."""
        return "\n".join([*self._head(), *(line for one in households for line in self._home(one)), ""])

    def _head(self) -> Iterator[str]:
        yield f'socket = "{self.directory}/kwhen.sock"'
        if self.spoilt:
            yield "unknown_key = 1"
        enode = {"url": self.url, "token_url": f"{self.url}/oauth2/token", "client_id": self.client_id}
        yield from _table("[enode]", enode.items())
        if self.hook_port is not None:
            address = f"127.0.0.1:{self.hook_port}"
            yield from _table("[webhook]", [("listen", address), ("public_url", f"http://{address}{HOOK_PATH}")])
        yield from _table("[http]", [("listen", "")])
        yield from _table("[storage]", [("url", f"sqlite:///{self.directory}/kwhen.db")])
        yield from _table("[log]", [("level", "error")])
        source = {"name": "market", "source": "nord-pool", "url": f"{self.url}/prices/nord-pool", "zone": self.zone}
        yield from _table("[[prices]]", source.items())

    def _home(self, one: Household) -> Iterator[str]:
        home = one.home
        members = {
            "id": f"home-{one.number}", "user_id": one.user_id, "timezone": home.timezone, "currency": "EUR",
            "location_id": one.location_id, "mode": home.mode, "charger_ids": [post.id for post in one.posts],
        }  # fmt: skip
        yield from _table("[[home]]", members.items())
        for vehicle, car in zip(one.cars, home.cars, strict=True):
            known = {"capacity_kwh": car.capacity_kwh, "charge_power_kw": car.power_kw, "no_pause": car.no_pause}
            yield from _table("[[home.vehicle]]", [("id", vehicle.id), *known.items()])
        if home.minimum_pct > 0:
            yield from _table("[[home.policy]]", [("name", "minimum-soc"), ("soc_pct", home.minimum_pct)])
        target_pct = min(100.0, max(home.minimum_pct + 1, home.target_pct + self.target_by))
        wish = {"name": "ready-by", "at": home.ready_at, "soc_pct": target_pct, "days": home.days}
        yield from _table("[[home.policy]]", wish.items())
        yield from _table("[[home.policy]]", [("name", "spot"), ("source", "market")])
        for policy in home.policies:
            yield from _table("[[home.policy]]", policy.items())


def _table(heading: str, members: Iterable[tuple[str, object]]) -> Iterator[str]:
    yield heading
    yield from (f"{name} = {json.dumps(value)}" for name, value in members)
