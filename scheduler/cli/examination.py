"""What `kwhen doctor` looks at: each look yields findings and never fails itself."""

import asyncio
import ctypes
import os
import socket as sockets
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scheduler import __version__
from scheduler.cli.configured import account_of, doubts_about, enode, settings_of
from scheduler.cli.connection import Connection
from scheduler.cli.ending import Ending
from scheduler.cli.place import find_socket
from scheduler.cli.source_check import check_sources
from scheduler.config import Settings
from scheduler.config.secrets import CLIENT_ID, SECRETS, named_secret
from scheduler.core.errors import ConfigError, KwhenError, StoreError
from storage.schema import describe

PACKAGES = ("scheduler", "policies", "storage")
TIME_ERROR = 5
"""What adjtimex(2) answers when the clock is not synchronised."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. `level` is ok, warn or fail."""

    name: str
    level: str
    text: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return asdict(self)


def examine(*, config: Path, socket: Path | None, online: bool) -> Iterator[Finding]:
    """Yield every finding, in the order in which a person would look."""
    yield Finding(name="kwhen", level="ok", text=f"{__version__} on Python {sys.version.split()[0]}")
    yield from packages()
    yield from _sqlite()
    yield from clock()
    settings, findings = configuration(config)
    yield from findings
    yield from secret_files(settings, config)
    if settings is not None:
        yield from database(settings.storage_url)
    yield from daemon(find_socket(socket, config))
    if online and settings is not None:
        yield from provider(settings)
        yield from price_sources(settings)


def packages(found: Callable[[str], Any] = find_spec) -> Iterator[Finding]:
    """Look whether our packages are ours: their names are everyday names that other distributions use too."""
    try:
        root = _root_of_distribution()
    except PackageNotFoundError:
        remedy = "Install it: pip install . in an environment of its own."
        yield Finding(name="packages", level="warn", text="kwhen is not installed as a distribution", remedy=remedy)
        return
    strange = []
    for name in PACKAGES:
        spec = found(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or root not in (origin.parent.parent, None):
            strange.append(f"{name} from {origin}")
    if strange:
        remedy = "Install kwhen in an environment of its own (pipx, or a venv for it alone)."
        yield Finding(name="packages", level="fail", text=f"not kwhen's own: {'; '.join(strange)}", remedy=remedy)
    else:
        yield Finding(name="packages", level="ok", text=f"{', '.join(PACKAGES)} are kwhen's own")


def _root_of_distribution() -> Path:
    """Return the directory that holds our packages: of the installed files, or of the checkout behind them."""
    own = distribution("kwhen")
    for file in own.files or ():
        if file.parts[0] == "scheduler":
            return Path(str(own.locate_file(""))).resolve()
    return Path(__file__).resolve().parents[2]


def _sqlite() -> Iterator[Finding]:
    from storage.sqlite import sqlite_version

    version, warning = sqlite_version()
    level = "warn" if warning else "ok"
    yield Finding(name="sqlite", level=level, text=warning or f"SQLite {version}, without the WAL bug",
                  remedy="pip install pysqlite3" if warning else "")  # fmt: skip


def clock() -> Iterator[Finding]:
    """Look whether the system keeps its clock synchronised, as far as it tells."""
    state = _clock_state()
    if state is None:
        yield Finding(name="clock", level="warn", text="this system does not say whether its clock is synchronised")
    elif state == TIME_ERROR:
        remedy = "Switch on time synchronisation: timedatectl set-ntp true (in a container, on its host)."
        yield Finding(name="clock", level="warn", text="the clock is not synchronised", remedy=remedy)
    else:
        yield Finding(name="clock", level="ok", text="synchronised")


def _clock_state() -> int | None:
    """Return what adjtimex(2) says; None where it cannot be asked."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(256)  # struct timex, all zero: only read
        state = int(libc.adjtimex(buffer))
    except (OSError, AttributeError):
        return None
    return state if state >= 0 else None


def configuration(path: Path) -> tuple[Settings | None, list[Finding]]:
    """Load the configuration; return it with the findings."""
    if not path.exists():
        remedy = "Copy config.example.toml there, or name another file with --config."
        return None, [Finding(name="configuration", level="fail", text=f"{path} does not exist", remedy=remedy)]
    try:
        settings = settings_of(path)
    except ConfigError as error:
        findings = [Finding(name="configuration", level="fail", text=problem) for problem in error.problems]
        return None, [*findings[:-1], Finding(**(asdict(findings[-1]) | {"remedy": f"Mend {path}; `kwhen check`."}))]
    text = f"{path}: homes {len(settings.homes)}, cars {sum(len(home.vehicles) for home in settings.homes)}"
    doubts = [Finding(name="configuration", level="warn", text=doubt) for doubt in doubts_about(settings)]
    return settings, [Finding(name="configuration", level="ok", text=text), *doubts]


def secret_files(settings: Settings | None, config: Path) -> Iterator[Finding]:
    """Look where each secret comes from, and whether others can read its file."""
    origins = settings.origins if settings is not None else {}
    told = settings.notify if settings is not None else ()
    sources = settings.prices if settings is not None else ()
    named = [
        *(named_secret("notify", one.name) for one in told),
        *(named_secret("prices", one.name) for one in sources),
    ]
    for spec in (*SECRETS, *named, CLIENT_ID):
        origin = origins.get(spec.key)
        if origin is None:
            continue
        path = Path(origin)
        name = spec.file.replace("_", " ")
        if not path.is_absolute() or path == config or not path.exists():
            yield Finding(name="secret", level="ok", text=f"{name} from {origin}")
        elif stat.S_IMODE(path.stat().st_mode) & 0o077 and spec is not CLIENT_ID and not _credential(path):
            mode = stat.S_IMODE(path.stat().st_mode)
            remedy = f"chmod 600 {path}"
            yield Finding(name="secret", level="warn", text=f"others can read {path} (mode {mode:04o})", remedy=remedy)
        else:
            yield Finding(name="secret", level="ok", text=f"{name} from {path}")


def _credential(path: Path) -> bool:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(directory) and path.parent == Path(directory or "")


def database(url: str) -> Iterator[Finding]:
    """Look at the database's schema."""
    if url.startswith("memory:"):
        yield Finding(name="database", level="warn", text="kept in memory: nothing outlives the daemon")
        return
    try:
        found = describe(url)
    except StoreError as error:
        yield Finding(name="database", level="fail", text=str(error), remedy="See storage.url; restore a backup.")
        return
    if found.revision is None:
        yield Finding(name="database", level="ok", text=f"{found.name} does not exist yet; the first run makes it")
    elif found.current:
        yield Finding(name="database", level="ok", text=f"{found.name}: schema {found.revision}, {found.engine}")
    else:
        text = f"{found.name}: schema {found.revision}, this program needs {found.head}"
        remedy = "The next start upgrades it after a copy, or now: kwhen db upgrade"
        yield Finding(name="database", level="warn", text=text, remedy=remedy)


def daemon(socket: Path) -> Iterator[Finding]:
    """Look whether the daemon runs and is well."""
    connection = Connection(socket)
    try:
        health = connection.get("/status")["health"]
    except Ending as end:
        yield Finding(name="daemon", level="fail", text=end.title, remedy=end.remedy)
        return
    named = ("store", "provider", "webhook", "prices", "calendars")
    parts = {key: health.get(key) for key in named if health.get(key)}
    told = ", ".join(f"{key} {_in_words(value)}" for key, value in parts.items())
    if health.get("ready"):
        yield Finding(name="daemon", level="ok", text=f"runs at {connection.path}: {told}")
    else:
        remedy = "Its log says why: journalctl -u kwhen"
        yield Finding(name="daemon", level="fail", text=f"runs but is not ready: {told}", remedy=remedy)
    if trouble := health.get("webhook_trouble"):
        yield Finding(name="webhook", level="warn", text=trouble, remedy="Then `kwhen webhook test`.")
    if health.get("version") not in {None, __version__}:
        text = f"the daemon is {health['version']}, this command {__version__}"
        yield Finding(name="daemon", level="warn", text=text, remedy="Restart the daemon.")


def _in_words(value: object) -> str:
    """Return a part of the daemon's health: a word, or by name what troubles it."""
    return "; ".join(f"{name}: {why}" for name, why in value.items()) if isinstance(value, dict) else str(value)


def provider(settings: Settings) -> Iterator[Finding]:
    """Ask the provider for the users: proves name, way, certificate and credentials."""
    host = settings.enode.api_url.partition("://")[2]

    async def users() -> int:
        async with enode(account_of(settings)) as client:
            return len(await client.users())

    try:
        count = asyncio.run(users())
    except (KwhenError, ValueError, sockets.gaierror) as error:
        remedy = "See enode.client_id and enode.client_secret, and whether this machine reaches it."
        yield Finding(name="provider", level="fail", text=str(error), remedy=remedy)
        return
    yield Finding(name="provider", level="ok", text=f"{host} answers, the credentials are good, users: {count}")


def price_sources(settings: Settings) -> Iterator[Finding]:
    """Ask each price source once, as `kwhen prices --check` does."""
    for one in check_sources(settings):
        name = f"prices {one.name}"
        if one.ok:
            yield Finding(name=name, level="ok", text=" ".join((f"{one.text}.", *one.notes)))
        for fault in one.faults:
            yield Finding(name=name, level="fail", text=fault.text, remedy=fault.remedy)
