"""The shape of the configuration file: its tables, what each setting may be, and the defaults."""

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from scheduler.config.control import ControlTable
from scheduler.core.calendar import zone_named
from scheduler.core.model import HoldMode, Mode

SHORTEST_SECRET_BYTES = 16
LONGEST_URL = 200
PREFIX = "KWHEN_"

NTFY_URL = "https://ntfy.sh"
NTFY_KEYS = frozenset({"url", "topic"})
EMAIL_KEYS = frozenset({"host", "port", "security", "user", "sender", "to"})


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic collects ValueError
    return value


def _one_word(text: str) -> str:
    if not text or text != text.strip() or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError("must not be empty or hold blanks")
    return text


def _zone(text: str) -> str:
    try:
        zone_named(text)
    except ValueError as error:
        raise ValueError(f"{error}; give a name of the IANA list such as Europe/Oslo") from error
    return text


def _currency(text: str) -> str:
    if not re.fullmatch("[A-Z]{3}", text):
        raise ValueError(f"must be three capital letters such as EUR (ISO 4217), not {text!r}")
    return text


def _address(text: str) -> str:
    address_of(text)
    return text


def _address_or_none(text: str) -> str:
    return _address(text) if text else text


Number = Annotated[float, BeforeValidator(_no_bool)]
Count = Annotated[int, BeforeValidator(_no_bool)]
Id = Annotated[str, AfterValidator(_one_word), Field(max_length=200)]
Listen = Annotated[str, AfterValidator(_address)]


def address_of(text: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:8790` or `[::1]:8790`.

    Raises:
        ValueError: it is no such address.
    """
    host, _, port = text.rpartition(":")
    try:
        ip_address(host.strip("[]"))
        number = int(port)
    except ValueError as error:
        raise ValueError(f"must be an address and a port such as 127.0.0.1:8790, not {text!r}") from error
    if not 0 <= number < 2**16:
        raise ValueError(f"the port must be from 0 to 65535, not {number}")
    return host.strip("[]"), number


def on_this_machine(host: str | None) -> bool:
    """Tell whether a host is this machine's loopback."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


class Table(BaseModel):
    """A table of the file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EnodeTable(Table):
    """`[enode]`: which Enode, and who we are there."""

    environment: Literal["production", "sandbox"] | None = None
    url: str | None = None
    token_url: str | None = None
    client_id: Id | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [name for name in ("url", "token_url") if getattr(self, name)]
        if self.environment and given:
            raise ValueError(f"environment and {given[0]} exclude one another; remove one")
        if not self.environment and len(given) < 2:  # noqa: PLR2004 - both addresses
            raise ValueError('no environment is chosen; set environment = "sandbox" or "production"')
        for name in given:
            address = urlsplit(getattr(self, name))
            secure = address.scheme == "https" or (address.scheme == "http" and on_this_machine(address.hostname))
            if not secure or not address.hostname:
                raise ValueError(f"{name} must begin with https:// (http:// on this machine alone)")
        return self


class WebhookTable(Table):
    """`[webhook]`: how Enode reaches us. Without `public_url` the daemon polls, which is a full way to run."""

    public_url: str | None = None
    listen: Listen = "127.0.0.1:8791"

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.public_url is None:
            return self
        address = urlsplit(self.public_url)
        secure = address.scheme == "https" or (address.scheme == "http" and on_this_machine(address.hostname))
        if not secure or not address.hostname:
            raise ValueError("public_url must begin with https:// and name a host; Enode calls nothing else")
        if address.path in {"", "/"}:
            raise ValueError("public_url must have a path; write https://your.host/webhooks/enode")
        if address.username or address.query or address.fragment:
            raise ValueError("public_url must not hold a user, a query or a fragment; remove them")
        if len(self.public_url) > LONGEST_URL:
            raise ValueError(f"public_url must not be longer than {LONGEST_URL} characters; choose a shorter path")
        return self


class HttpTable(Table):
    """`[http]`: the dashboard, behind a login; or the read-only status page, which has none and stays here."""

    page: Literal["dashboard", "status"] = "dashboard"
    listen: Annotated[str, AfterValidator(_address_or_none)] = "127.0.0.1:8790"
    allowed_hosts: tuple[Id, ...] = ("localhost", "127.0.0.1", "[::1]")

    @model_validator(mode="after")
    def _private(self) -> Self:
        if self.page == "status" and self.listen and not on_this_machine(address_of(self.listen)[0]):
            raise ValueError("listen must be on this machine (127.0.0.1 or [::1]): the status page has no login")
        return self


class StorageTable(Table):
    """`[storage]`: where everything is kept, and how many daily copies of an SQLite file lie beside it."""

    url: str | None = None
    copies: Annotated[Count, Field(ge=0, le=30)] = 2


class LogTable(Table):
    """`[log]`: how much is said, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


Days = Annotated[Count, Field(ge=1, le=36_500)]


class RetentionTable(Table):
    """`[retention]`: how long each table is kept [days]. What is still open is never deleted."""

    seen_event_days: Days = 3
    price_days: Days = 400
    decision_days: Days = 60
    command_days: Days = 400
    override_days: Days = 400
    session_days: Days = 3650
    alert_days: Days = 400
    journal_days: Days = 60


class PricesTable(Table):
    """`[[prices]]`: a price source under a name of the owner's; all other keys are the source's settings."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: Id
    source: str
    stand_in: Id | None = None


class CalendarTable(Table):
    """`[[calendar]]`: a calendar under a name of the owner's; it has one of `url`, `path` and a secret address."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,30}$")]
    url: str | None = None
    path: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_secret(cls, table: Any) -> Any:
        if isinstance(table, dict) and "secret" in table:
            raise ValueError("secret: it must not stand in this file; see `[[calendar]]` in config.example.toml")
        return table


class NotifyTable(Table):
    """`[[notify]]`: a way to tell a person of alerts, under a name of the owner's."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,30}$")]
    by: Literal["ntfy", "email"]
    least: Literal["info", "warning", "critical"] = "warning"
    ends: bool = True
    url: str | None = None
    topic: Annotated[str, Field(pattern="^[-_A-Za-z0-9]{1,64}$")] | None = None
    host: Id | None = None
    port: Count | None = Field(default=None, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: Id | None = None
    sender: Id | None = None
    to: tuple[Id, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _no_secret(cls, table: Any) -> Any:
        for key in ("token", "password", "secret"):
            if isinstance(table, dict) and key in table:
                raise ValueError(
                    f"{key}: a secret must not stand in this file; see `[[notify]]` in config.example.toml"
                )
        return table

    @model_validator(mode="after")
    def _whole(self) -> Self:
        own = NTFY_KEYS if self.by == "ntfy" else EMAIL_KEYS
        foreign = sorted((self.model_fields_set & (NTFY_KEYS | EMAIL_KEYS)) - own)
        if foreign:
            raise ValueError(f"{foreign[0]} has no meaning with by = {self.by!r}; remove it")
        missing = [key for key in ("topic",) if self.by == "ntfy" and self.topic is None]
        missing += [key for key in ("host", "sender", "to") if self.by == "email" and not getattr(self, key)]
        if missing:
            raise ValueError(f"{missing[0]} is missing; {self.by} needs it")
        address = urlsplit(self.url or NTFY_URL)
        if address.scheme != "https" and not (address.scheme == "http" and on_this_machine(address.hostname)):
            raise ValueError("url must begin with https:// (http:// on this machine alone)")
        if address.username or address.query or address.fragment or not address.hostname:
            raise ValueError("url must be the server's address and no more; the topic has a key of its own")
        if self.by == "email" and self.security == "none" and not on_this_machine(self.host):
            raise ValueError('security = "none" is for a mail server on this machine; use starttls or tls')
        if bad := next((one for one in (self.sender, *self.to) if one is not None and not _is_mail(one)), None):
            raise ValueError(f"{bad!r} is no e-mail address such as me@example.org")
        return self


def _is_mail(text: str) -> bool:
    return re.fullmatch(r"[^@<>,;:\"()]+@[^@<>,;:\"()]+", text) is not None and text.isascii()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


class PolicyTable(Table):
    """`[[home.policy]]`: a policy; all other keys are its settings."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str

    @model_validator(mode="before")
    @classmethod
    def _said(cls, table: Any) -> Any:
        """Leave out what is null, which only JSON can say: it is not said, as in a TOML file."""
        return _without_nulls(table)


class VehicleTable(Table):
    """`[[home.vehicle]]`: a vehicle. Capacity and power are for those of which Enode does not tell them."""

    id: Id
    name: str = ""
    mode: Mode = Mode.CONTROL
    capacity_kwh: Number | None = Field(default=None, ge=1, le=300)
    charge_power_kw: Number | None = Field(default=None, ge=0.5, le=400)
    energy_per_session_kwh: Number | None = Field(default=None, gt=0, le=300)
    no_pause: bool = False


class HomeTable(Table):
    """`[[home]]`: an Enode user, a location, chargers, vehicles, and policies in order of precedence."""

    id: Id
    user_id: Id
    timezone: Annotated[str, AfterValidator(_zone)]
    location_id: Id | None = None
    latitude: Number | None = None
    longitude: Number | None = None
    charger_ids: tuple[Id, ...] = ()
    trust_charger: bool = False
    currency: Annotated[str, AfterValidator(_currency)] = "EUR"
    mode: Mode = Mode.CONTROL
    hold_mode: HoldMode = HoldMode.STOP
    max_kw: Number | None = Field(default=None, gt=0, le=1000)
    start_cost: Number = Field(default=0.0, ge=0, le=1000)
    min_dwell_min: Number = Field(default=10.0, ge=1, le=240)
    slack_min: Number | None = Field(default=None, ge=0, le=480)
    vehicle: tuple[VehicleTable, ...] = ()
    policy: tuple[PolicyTable, ...] = ()


class File(BaseSettings):
    """The whole file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, allow_inf_nan=False
    )

    enode: EnodeTable
    webhook: WebhookTable = WebhookTable()
    http: HttpTable = HttpTable()
    socket: str | None = None
    secrets_dir: str | None = None
    storage: StorageTable = StorageTable()
    control: ControlTable = Field(default_factory=ControlTable)  # type: ignore[valid-type]
    log: LogTable = LogTable()
    retention: RetentionTable = RetentionTable()
    prices: tuple[PricesTable, ...] = ()
    calendar: tuple[CalendarTable, ...] = ()
    notify: tuple[NotifyTable, ...] = ()
    home: tuple[HomeTable, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what it is built from: file and variables are merged before, so that each origin is known."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)
