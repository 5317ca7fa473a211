"""The configuration as one value: checked, frozen, replaced whole on reload."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from scheduler.config.secrets import Secret
from scheduler.config.shown import ShownSetting
from scheduler.core.model import Home, Limits

LEAST_SECRET = 16
"""A path of a private address that is shorter is no secret: it would be found everywhere."""


def parts_of(address: str) -> Iterator[str]:
    """Yield what of a private address must not be seen: the whole of it, and its parts wherever they stand alone."""
    if not address:
        return
    yield address
    parts = urlsplit(address)
    yield from (one for one in (parts.path, parts.query) if len(one) >= LEAST_SECRET)
    yield from (unquote(one) for one in (parts.password,) if one)


@dataclass(frozen=True, kw_only=True)
class Enode:
    """Where Enode is and who we are there. `environment` is empty where the addresses were given."""

    api_url: str
    token_url: str
    client_id: str
    client_secret: Secret
    environment: str = ""


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """How Enode reaches us. Without `public_url` nothing is subscribed and the daemon polls.

    `previous_secret` is what the secret was before it was exchanged, as long as deliveries may be signed with it.
    """

    public_url: str | None
    host: str
    port: int
    secret: Secret | None
    previous_secret: Secret | None = None

    @property
    def enabled(self) -> bool:
        """Tell whether the listener is opened and the subscription made."""
        return self.public_url is not None


@dataclass(frozen=True, kw_only=True)
class HttpPort:
    """Where the pages listen, the Host names they answer to, and the token of programs, if there is one.

    `page` is `dashboard` (behind a login) or `status` (read-only, without one).
    """

    enabled: bool
    host: str
    port: int
    allowed_hosts: tuple[str, ...]
    page: str = "dashboard"
    token: Secret | None = None


@dataclass(frozen=True, kw_only=True)
class Log:
    """`level`: debug, info, warning or error. `form`: auto, console or json."""

    level: str = "info"
    form: str = "auto"


@dataclass(frozen=True, kw_only=True)
class PriceSpec:
    """One `[[prices]]` table: its name, the source, and the source's settings as they were written.

    `stand_in` names the table whose prices hold where this one has none. `secret` is empty where there is none.
    """

    name: str
    source: str
    stand_in: str = ""
    secret: Secret = field(default_factory=lambda: Secret(""))
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def product(self) -> str:
        """What these prices are of: it changes with the source and its settings, and tells no secret in them."""
        written = json.dumps([self.source, dict(self.settings)], sort_keys=True, default=str)
        return f"{self.source} {hashlib.sha256(written.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, kw_only=True)
class CalendarSpec:
    """One `[[calendar]]` table: its name, and the address or the file that it is read from.

    `address_at` says where the address was given, which may be private itself.
    """

    name: str
    address: Secret = field(default_factory=lambda: Secret(""))
    address_at: str = ""
    path: str = ""

    @property
    def product(self) -> str:
        """What it is read from: it changes with the place, and tells nothing of it."""
        return hashlib.sha256(f"{self.path}\0{self.address.reveal()}".encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class NotifySpec:
    """One `[[notify]]` table, whole. `secret` is the token or password, empty where there is none."""

    name: str
    by: str  # ntfy or email
    least: str
    ends: bool
    secret: Secret
    url: str = ""
    topic: str = field(default="", repr=False)  # whoever knows it may listen
    host: str = ""
    port: int = 0
    security: str = ""
    user: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration.

    `digest` is the SHA-256 of the effective configuration without its secrets. `origins` names, for each setting that
    is not at its default, where it came from. `retention` says per table how long it is kept. `coordinates` holds
    latitude and longitude [degrees] of the homes that give them. `shown` is the whole of it as a person may see it.
    `storage_copies` is how many daily copies are kept beside an SQLite database.
    """

    enode: Enode
    webhook: Webhook
    http: HttpPort
    socket: Path
    storage_url: str = field(repr=False)  # may hold a password
    limits: Limits
    prices: tuple[PriceSpec, ...]
    homes: tuple[Home, ...]
    coordinates: Mapping[str, tuple[float, float]]
    log: Log
    retention: Mapping[str, timedelta]
    digest: str
    origins: Mapping[str, str]
    path: Path | None
    notes: tuple[str, ...] = ()
    shown: tuple[ShownSetting, ...] = ()
    notify: tuple[NotifySpec, ...] = ()
    calendars: tuple[CalendarSpec, ...] = ()
    storage_copies: int = 2

    def secrets(self) -> Iterator[str]:
        """Yield every secret in force, for redaction."""
        yield self.enode.client_secret.reveal()
        if self.webhook.secret is not None:
            yield self.webhook.secret.reveal()
        if self.webhook.previous_secret is not None:
            yield self.webhook.previous_secret.reveal()
        if self.http.token is not None:
            yield self.http.token.reveal()
        yield from (one.secret.reveal() for one in self.notify)
        yield from (one.secret.reveal() for one in self.prices)
        for calendar in self.calendars:
            yield from parts_of(calendar.address.reveal())
        if password := urlsplit(self.storage_url).password:
            yield unquote(password)

    def retained_since(self, now: datetime) -> Mapping[str, datetime]:
        """Return per table the instant before which rows are deleted."""
        return {table: now - kept for table, kept in self.retention.items()}
