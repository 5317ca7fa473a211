"""From what was written to one `Settings`, or to every problem at once."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ValidationError

from scheduler.config.calendars import calendar_specs, host_of, problems_of_calendars
from scheduler.config.checks import Installed, Problem, problems_of
from scheduler.config.control import limits_of
from scheduler.config.former import explained
from scheduler.config.notify import notify_specs, problems_of_notify
from scheduler.config.prices import problems_of_prices
from scheduler.config.reading import Written, read
from scheduler.config.secrets import (
    CLIENT_ID,
    NAMED,
    SECRETS,
    Found,
    Secret,
    SecretSpec,
    find,
    find_named,
    named_secret,
    secret_of,
)
from scheduler.config.settings import Enode, HttpPort, Log, PriceSpec, Settings, Webhook
from scheduler.config.shown import HIDDEN, ShownSetting, shown_settings
from scheduler.config.tables import PREFIX, SHORTEST_SECRET_BYTES, File, HomeTable, address_of
from scheduler.core.errors import ConfigError
from scheduler.core.model import Home, PolicySpec, VehicleSpec
from scheduler.plugins import POLICIES, PRICE_SOURCES, Registry
from scheduler.plugins.building import as_json, dotted, nearest, reason

STORES = ("sqlite:///", "postgresql://", "postgres://", "memory://")
LONGEST_SECRET_BYTES = 256


def installed() -> Installed:
    """Return the plugins that are installed now."""
    return Installed(policies=Registry(POLICIES), price_sources=Registry(PRICE_SOURCES))


def load(path: Path | None, environ: Mapping[str, str], *, plugins: Installed | None = None) -> Settings:
    """Read, check and return the whole configuration. Nothing is applied: whoever holds the old value keeps it.

    Args:
        path: the TOML file; None for one that says nothing.
        environ: variables, in which `KWHEN_ENODE__URL` overrides `enode.url`.
        plugins: what policies and price sources may be named; what is installed when not given.

    Raises:
        ConfigError: something is wrong; all of it is named, each with its place, key and remedy.
    """
    written = read(path, environ)
    file, problems = _file(written)
    kept = {spec.key: find(spec, environ=environ, secrets_dir=_secrets_dir(written)) for spec in (*SECRETS, CLIENT_ID)}
    problems += problems_of(written.tree, plugins or installed())
    problems += _problems_of_storage(written)
    kept |= find_named(written.tree, environ=environ, secrets_dir=_secrets_dir(written))
    problems += problems_of_notify(written.tree, kept)
    problems += problems_of_prices(written.tree, kept, plugins or installed())
    problems += problems_of_calendars(written.tree, kept)
    secrets = (f"{key}: {text}" for key, text in _problems_of_secrets(written, kept))
    said = [*written.problems, *written.said(list(explained(problems))), *secrets]
    if said or file is None:
        raise ConfigError([*said, *written.misspelt])
    return _settings(file, written, kept, environ)


def _file(written: Written) -> tuple[File | None, list[Problem]]:
    try:
        return File(**written.tree), []
    except ValidationError as error:
        return None, [told(one) for one in error.errors(include_url=False, include_input=False)]


def told(error: Mapping[str, Any], table: type[BaseModel] = File) -> Problem:
    """Return the key path and the words for one finding of pydantic's about a table."""
    location = error["loc"]
    if error["type"] == "extra_forbidden":
        return dotted(location), f"is unknown; {nearest(str(location[-1]), _keys_beside(location, table))}"
    return dotted(location), reason(error)


def _keys_beside(location: tuple[str | int, ...], outer: type[BaseModel]) -> list[str]:
    """Return the valid keys of the table in which an unknown one was found; secrets, which a variable sets, too."""
    table: Any = outer
    for part in location[:-1]:
        if isinstance(part, str):
            table = _table_of(table.model_fields[part].annotation) if part in table.model_fields else outer
    secret = [spec.key.rpartition(".")[2] for spec in SECRETS if spec.key.rpartition(".")[0] == dotted(location[:-1])]
    return [*table.model_fields, *secret]


def _table_of(annotation: Any) -> Any:
    inner = [one for one in getattr(annotation, "__args__", ()) if isinstance(one, type) and issubclass(one, BaseModel)]
    return inner[0] if inner else annotation


def _secrets_dir(written: Written) -> str | None:
    directory = written.tree.get("secrets_dir")
    return directory if isinstance(directory, str) else None


def _problems_of_secrets(written: Written, kept: Mapping[str, Found | None]) -> Iterator[Problem]:
    for key, found in kept.items():
        if found is not None and found.problem:
            yield key, found.problem
    enode, webhook = written.tree.get("enode"), written.tree.get("webhook")
    if kept["enode.client_secret"] is None:
        yield "enode.client_secret", _missing(SECRETS[0])
    if kept["enode.client_id"] is None and not (isinstance(enode, dict) and "client_id" in enode):
        yield "enode.client_id", _missing(CLIENT_ID)
    if kept["webhook.secret"] is None and isinstance(webhook, dict) and webhook.get("public_url"):
        yield "webhook.secret", f"{_missing(SECRETS[1])}; `openssl rand -hex 32` makes one"
    previous, secret = kept["webhook.previous_secret"], kept["webhook.secret"]
    if previous is not None and secret is None:
        yield "webhook.previous_secret", "is there, but webhook.secret is not; it is the one before that"
    elif previous is not None and secret is not None and previous.text == secret.text and not previous.problem:
        yield "webhook.previous_secret", "is the same as webhook.secret; give the one before it, or remove it"
    for key in ("webhook.secret", "webhook.previous_secret", "http.token"):
        secret = kept[key]
        length = len(secret.text.encode()) if secret is not None and not secret.problem else SHORTEST_SECRET_BYTES
        if not SHORTEST_SECRET_BYTES <= length <= LONGEST_SECRET_BYTES:
            bounds = f"{SHORTEST_SECRET_BYTES} to {LONGEST_SECRET_BYTES} bytes"
            yield key, f"must have {bounds}, not {length}; `openssl rand -hex 32` makes one"


def _missing(spec: SecretSpec) -> str:
    return f"is missing; set {spec.variable} or write it to a file {spec.file} in $CREDENTIALS_DIRECTORY or secrets_dir"


def _problems_of_storage(written: Written) -> Iterator[Problem]:
    storage = written.tree.get("storage")
    url = storage.get("url") if isinstance(storage, dict) else None
    if not isinstance(url, str):
        return
    try:
        password = urlsplit(url).password
    except ValueError as error:
        yield "storage.url", f"is no address: {error}"
        return
    if not url.startswith(STORES):
        yield "storage.url", f"must begin with one of {', '.join(STORES)}"
    elif password and not written.origins["storage.url"].startswith(PREFIX):
        yield "storage.url", "a password must not stand in this file; set KWHEN_STORAGE__URL or use a PGPASSFILE"


def _settings(file: File, written: Written, kept: Mapping[str, Found | None], environ: Mapping[str, str]) -> Settings:
    state = state_directory(environ)
    storage_url = file.storage.url or f"sqlite:///{state / 'kwhen.db'}"
    enode = _enode(file, kept)
    host, port = address_of(file.webhook.listen)
    page = address_of(file.http.listen) if file.http.listen else ("", 0)
    webhook_secret, token = kept["webhook.secret"], kept["http.token"]
    previous_secret = kept["webhook.previous_secret"]
    origins = {**written.origins, **{key: found.origin for key, found in kept.items() if found}}
    socket = Path(file.socket) if file.socket else socket_path(environ)
    return Settings(
        enode=enode,
        webhook=Webhook(
            public_url=file.webhook.public_url,
            host=host,
            port=port,
            secret=Secret(webhook_secret.text) if webhook_secret else None,
            previous_secret=Secret(previous_secret.text) if previous_secret else None,
        ),
        http=HttpPort(
            enabled=bool(file.http.listen),
            host=page[0],
            port=page[1],
            allowed_hosts=file.http.allowed_hosts,
            page=file.http.page,
            token=Secret(token.text) if token else None,
        ),
        socket=socket,
        storage_url=storage_url,
        storage_copies=file.storage.copies,
        limits=limits_of(file.control),
        prices=tuple(
            PriceSpec(
                name=one.name,
                source=one.source,
                stand_in=one.stand_in or "",
                secret=secret_of("prices", one.name, kept),
                settings=as_json(one.model_extra or {}),
            )
            for one in file.prices
        ),
        homes=tuple(home_of(one) for one in file.home),
        coordinates={
            one.id: (one.latitude, one.longitude)
            for one in file.home
            if one.latitude is not None and one.longitude is not None
        },
        log=Log(level=file.log.level, form=file.log.format),
        retention={
            name.removesuffix("_days"): timedelta(days=days) for name, days in file.retention.model_dump().items()
        },
        digest=_digest(file, enode.client_id, storage_url),
        origins=origins,
        path=written.path,
        notes=written.notes,
        notify=notify_specs(file.notify, kept),
        calendars=calendar_specs(file.calendar, kept),
        shown=_shown(file, kept, origins, enode=enode, socket=socket, storage_url=storage_url),
    )


def _shown(
    file: File,
    kept: Mapping[str, Found | None],
    origins: Mapping[str, str],
    *,
    enode: Enode,
    socket: Path,
    storage_url: str,
) -> tuple[ShownSetting, ...]:
    """Return the settings as a person may see them; a secret by its name and origin alone."""
    tree = file.model_dump(mode="json")
    tree["enode"] |= {"url": enode.api_url, "token_url": enode.token_url, "client_id": enode.client_id}
    tree |= {"socket": str(socket), "storage": {**tree["storage"], "url": storage_url}}
    for spec in SECRETS:
        if kept[spec.key] is not None:
            table, _, key = spec.key.partition(".")
            tree[table][key] = HIDDEN
    for kind in NAMED:
        for index, table in enumerate(tree.get(kind, ())):
            key = named_secret(kind, table["name"]).key
            if kept.get(key) is not None:
                table["secret"] = HIDDEN
                origins = {**origins, f"{kind}[{index}].secret": origins[key]}
    for table in tree["calendar"]:
        table["url"] = table["url"] and host_of(table["url"])
    for table in tree["notify"]:
        table["topic"] = table["topic"] and HIDDEN
    return shown_settings(tree, origins)


def _enode(file: File, kept: Mapping[str, Found | None]) -> Enode:
    name = file.enode.environment
    given_id, secret = kept["enode.client_id"], kept["enode.client_secret"]
    return Enode(
        api_url=(file.enode.url or f"https://enode-api.{name}.enode.io").rstrip("/"),
        token_url=file.enode.token_url or f"https://oauth.{name}.enode.io/oauth2/token",
        client_id=given_id.text if given_id else file.enode.client_id or "",
        client_secret=Secret(secret.text if secret else ""),
        environment=name or "",
    )


def home_of(table: HomeTable) -> Home:
    """Return the home that a table describes."""
    taken = {"vehicle", "policy", "latitude", "longitude", "min_dwell_min", "slack_min"}
    same = {name: getattr(table, name) for name in type(table).model_fields if name not in taken}
    return Home(
        **same,
        min_dwell=timedelta(minutes=table.min_dwell_min),
        slack=None if table.slack_min is None else timedelta(minutes=table.slack_min),
        vehicles=tuple(VehicleSpec(**car.model_dump()) for car in table.vehicle),
        policies=tuple(PolicySpec(name=one.name, settings=as_json(one.model_extra or {})) for one in table.policy),
    )


def _digest(file: File, client_id: str, storage_url: str) -> str:
    """Return the hash of what is in force, secrets left out: a changed password changes no decision."""
    effective = file.model_dump(mode="json")
    effective["enode"]["client_id"] = client_id
    address = urlsplit(storage_url)
    effective["storage"]["url"] = urlunsplit(address._replace(netloc=address.netloc.rpartition("@")[2]))
    canonical = json.dumps(effective, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def state_directory(environ: Mapping[str, str]) -> Path:
    """Return where the daemon keeps what must last: systemd's choice, else the user's own."""
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].split(":")[0])
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or ".") / ".local" / "state")
    return Path(base) / "kwhen"


def socket_path(environ: Mapping[str, str]) -> Path:
    """Return where the daemon's socket is when no setting says it: in systemd's runtime directory, else the user's."""
    if environ.get("RUNTIME_DIRECTORY"):
        return Path(environ["RUNTIME_DIRECTORY"].split(":")[0]) / "kwhen.sock"
    if environ.get("XDG_RUNTIME_DIR"):
        return Path(environ["XDG_RUNTIME_DIR"]) / "kwhen" / "kwhen.sock"
    return state_directory(environ) / "kwhen.sock"
