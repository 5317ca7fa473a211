"""A setting-up as the faces see one: two users, a car that asks for something, a charger to be linked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.config import toml_of
from scheduler.core.errors import HomeInvalid, KwhenError, LinkOver, NotThere, ReadOnlyHome, Refused
from scheduler.core.garage import (
    Account,
    Asked,
    Card,
    ChargerCard,
    Conflict,
    Doubt,
    HomeText,
    InterventionCard,
    LinkEnd,
    LinkStart,
    LocationCard,
    Pairing,
    PairState,
    Pause,
    Placed,
    Position,
    Prompt,
    Spot,
    VendorLink,
)
from scheduler.core.model import Home
from scheduler.core.observation import Capabilities

NOW = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
USER = "user-lindgren"
POLLY, CHARGER, PLACE = "polly-1111", "charger-1", "home-1"
POSITION = Position(latitude=59.91, longitude=10.75, at=NOW)
LINES = '[[home]]\nid = "lindgren"\nuser_id = "user-lindgren"\n'


def a_card(vehicle_id: str = POLLY, **changes: Any) -> Card:
    card = Card(
        id=vehicle_id,
        user_id=USER,
        vendor="VOLKSWAGEN",
        name="Polly",
        capabilities=Capabilities(start=True, stop=True, locate=True, read_charge=True),
        pairing=Pairing(state=PairState.HERE, text="Plugged in at this home's charger.", charger_id=CHARGER),
        asked=(
            Asked(id="i-block", capability="startCharging", optional=False),
            Asked(id="i-help", capability="chargeState", optional=True),
        ),
        home_id="lindgren",
        plugged=True,
        charging=False,
        soc_pct=41.0,
        charger_id=CHARGER,
        location_id=PLACE,
        position=POSITION,
        reachable=True,
        seen_at=NOW - timedelta(minutes=2),
    )
    return replace(card, **changes)


def an_account(**changes: Any) -> Account:
    account = Account(
        user_id=USER,
        at=NOW,
        vehicles=(a_card(),),
        chargers=(ChargerCard(id=CHARGER, user_id=USER, vendor="ZAPTEC", name="Zaptec Go", location_id=PLACE),),
        locations=(LocationCard(id=PLACE, name="Home", timezone="Europe/Oslo", position=POSITION),),
        vendors=(VendorLink(vendor="VOLKSWAGEN", kind="vehicle", valid=True),),
    )
    return replace(account, **changes)


def intervention_cards() -> tuple[InterventionCard, ...]:
    return (
        InterventionCard(
            id="i-block",
            title="Enable <remote> charging",
            description="Open the **app**.<br>Then <script>alert(1)</script> tap [Settings](https://example.org).",
            blocking=True,
            capabilities=("startCharging",),
            vendor="VOLKSWAGEN",
            domain="Account",
            who="User",
            where="Remote",
            relink=POLLY,
        ),
        InterventionCard(
            id="i-help", title="Park in reach", description="Help.", blocking=False, who="User", where="Physical"
        ),
    )


@dataclass(kw_only=True)
class FakeOnboarding:
    """Implements the `Onboarding` protocol; `did` says what was asked of it, `broken` is raised by all once set."""

    accounts: dict[str, Account] = field(default_factory=lambda: {USER: an_account()})
    prompt_list: tuple[Prompt, ...] = ()
    cards: tuple[InterventionCard, ...] = field(default_factory=intervention_cards)
    conflict_list: tuple[Conflict, ...] = ()
    stored: dict[str, Home] = field(default_factory=dict)
    tables: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    file_homes: tuple[str, ...] = ("lindgren",)
    links: dict[str, LinkStart] = field(default_factory=dict)
    found: tuple[str, ...] = (POLLY,)
    pause_list: tuple[Pause, ...] = ()
    held: frozenset[str] = frozenset()
    doubt_list: tuple[Doubt, ...] = ()
    did: list[tuple[Any, ...]] = field(default_factory=list)
    broken: KwhenError | None = None

    def _do(self, *what: Any) -> None:
        if self.broken is not None:
            raise self.broken
        self.did.append(what)

    async def users(self) -> list[str]:
        return list(self.accounts)

    async def account(self, user_id: str, *, fresh: bool = False) -> Account:
        self._do("account", user_id, fresh)
        return self.accounts.get(user_id) or Account(user_id=user_id, at=NOW)

    async def begin_link(self, user_id: str, kind: str, *, back_url: str, language: str = "browser") -> LinkStart:
        self._do("begin_link", user_id, kind, back_url, language)
        state = f"state-{len(self.links) + 1}"
        start = LinkStart(
            kind=kind,
            user_id=user_id,
            expires_at=NOW + timedelta(hours=24),
            url=f"https://link.example/{state}",
            state=state,
        )
        self.links[state] = start
        return start

    async def link_progress(self, state: str) -> LinkEnd:
        if state not in self.links:
            raise LinkOver("this link was used, has expired, or never was", remedy="Begin the link again.")
        return LinkEnd(kind=self.links[state].kind, user_id=self.links[state].user_id, found=self.found)

    async def finish_link(self, state: str, *, error: str = "") -> LinkEnd:
        self._do("finish_link", state, error)
        end = await self.link_progress(state)
        del self.links[state]
        return replace(end, found=() if error else end.found, error=error)

    async def relink(self, asset_id: str, *, back_url: str, language: str = "browser") -> LinkStart:
        self._do("relink", asset_id)
        return await self.begin_link(USER, "vehicle", back_url=back_url, language=language)

    async def prompts(self, user_id: str) -> tuple[Prompt, ...]:
        return tuple(one for one in self.prompt_list if one.user_id == user_id)

    async def dismiss(self, user_id: str, prompt: str) -> None:
        self._do("dismiss", user_id, prompt)
        named = [one for one in self.prompt_list if one.id == prompt]
        if not named:
            raise NotThere(f"no prompt is called {prompt}")
        if named[0].mandatory:
            raise Refused("the charger must be linked: the car cannot be controlled without it")
        self.prompt_list = tuple(one for one in self.prompt_list if one.id != prompt)

    async def whereabouts(self, vehicle_id: str) -> Position:
        if vehicle_id != POLLY:
            raise NotThere("the car does not tell where it is")
        return POSITION

    async def place(
        self,
        user_id: str,
        *,
        latitude: float,
        longitude: float,
        name: str,
        timezone: str,
        charger_ids: Sequence[str] = (),
    ) -> Placed:
        self._do("place", user_id, latitude, longitude, name, timezone, tuple(charger_ids))
        if latitude == 0 and longitude == 0:
            raise Refused("0, 0 lies in the Gulf of Guinea")
        return Placed(location_id=PLACE, name=name, reused=False, charger_ids=tuple(charger_ids))

    async def doubts(
        self, user_id: str, spot: Spot, *, charger_ids: Sequence[str] = (), home_id: str = ""
    ) -> tuple[Doubt, ...]:
        self._do("doubts", user_id, spot, tuple(charger_ids), home_id)
        if spot.position.latitude == 0 and spot.position.longitude == 0:
            return (Doubt(text="0, 0 lies in the Gulf of Guinea", barred=True),)
        return self.doubt_list

    async def interventions(self, vehicle_id: str, *, language: str = "en-US") -> tuple[InterventionCard, ...]:
        self._do("interventions", vehicle_id, language)
        return self.cards if vehicle_id == POLLY else ()

    async def conflicts(self, vehicle_id: str) -> tuple[Conflict, ...]:
        return tuple(one for one in self.conflict_list if one.vehicle_id == vehicle_id)

    async def resolve(self, vehicle_id: str, conflict: str) -> None:
        self._do("resolve", vehicle_id, conflict)
        self.conflict_list = tuple(one for one in self.conflict_list if one.id != conflict)

    async def home_text(self, home_id: str) -> HomeText:
        if home_id in self.stored:
            return HomeText(id=home_id, table=self.tables[home_id], lines=toml_of(self.tables[home_id]))
        if home_id in self.file_homes:
            return HomeText(id=home_id, table={"id": home_id}, lines=LINES, file="kwhen.toml", line=12)
        raise NotThere(f"no home is called {home_id}")

    async def homes_stored(self) -> tuple[Home, ...]:
        return tuple(self.stored.values())

    async def create_home(self, table: Mapping[str, Any]) -> Home:
        self._do("create_home", dict(table))
        home_id = str(table.get("id", ""))
        if not home_id or home_id in self.stored or home_id in self.file_homes:
            raise HomeInvalid([f"id: {home_id!r} is missing or taken"])
        home = Home(id=home_id, user_id=str(table.get("user_id", USER)), timezone=str(table.get("timezone", "UTC")))
        self.stored[home_id], self.tables[home_id] = home, dict(table)
        return home

    async def change_home(
        self, home_id: str, table: Mapping[str, Any], *, release: bool = False, spot: Spot | None = None
    ) -> Home:
        self._writable(home_id)
        self._do("change_home", home_id, dict(table), release, spot)
        if home_id in self.held and not release:
            raise Refused("a car of the home is held", remedy="Release it first.")
        if table.get("timezone") == "Nowhere":
            raise HomeInvalid(["timezone: there is no Nowhere"])
        del self.stored[home_id]
        return await self.create_home({**table, "id": home_id})

    async def delete_home(self, home_id: str, *, release: bool) -> None:
        self._writable(home_id)
        self._do("delete_home", home_id, release)
        if home_id in self.held and not release:
            raise Refused("a car of the home is held", remedy="Release it first.")
        del self.stored[home_id]

    def _writable(self, home_id: str) -> None:
        if home_id in self.file_homes:
            raise ReadOnlyHome(f"{home_id} is in kwhen.toml", file="kwhen.toml", key="home[0]", lines=LINES)
        if home_id not in self.stored:
            raise NotThere(f"no home is called {home_id}")

    async def pauses(self) -> tuple[Pause, ...]:
        return self.pause_list

    async def pause(self, subject: str, *, until: datetime | None) -> None:
        self._do("pause", subject, until)
        others = tuple(one for one in self.pause_list if one.subject != subject)
        self.pause_list = others if until is None else (*others, Pause(subject=subject, until=until))
