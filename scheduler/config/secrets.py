"""Secrets: from the environment or from files, never from the configuration file, never shown."""

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Secret:
    """A text that no `repr`, format or log shows. `reveal()` returns it."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """Return the secret itself, for the one place that needs it."""
        return self._text

    def __str__(self) -> str:
        return "[hidden]"

    def __repr__(self) -> str:
        return "Secret([hidden])"


@dataclass(frozen=True, kw_only=True)
class SecretSpec:
    """Where a secret may come from: an environment variable, or a file of this name."""

    key: str  # in the configuration, where it must not stand
    variable: str
    file: str


SECRETS = (
    SecretSpec(key="enode.client_secret", variable="KWHEN_ENODE__CLIENT_SECRET", file="enode_client_secret"),
    SecretSpec(key="webhook.secret", variable="KWHEN_WEBHOOK__SECRET", file="webhook_secret"),
    SecretSpec(
        key="webhook.previous_secret", variable="KWHEN_WEBHOOK__PREVIOUS_SECRET", file="webhook_previous_secret"
    ),
    SecretSpec(key="http.token", variable="KWHEN_HTTP__TOKEN", file="http_token"),
)

CLIENT_ID = SecretSpec(key="enode.client_id", variable="KWHEN_ENODE__CLIENT_ID", file="enode_client_id")
"""No secret, but it may come the same way."""


NAMED = {"notify": "KWHEN_NOTIFY_SECRET__", "prices": "KWHEN_PRICES_SECRET__", "calendar": "KWHEN_CALENDAR_SECRET__"}
"""The tables that may have a secret each, with what the variables of those begin with."""


def named_secret(table: str, name: str) -> SecretSpec:
    """Return where the secret of a `[[notify]]`, `[[prices]]` or `[[calendar]]` table may come from, by its name."""
    plain = re.sub(r"\W", "_", name)
    return SecretSpec(
        key=f"{table}.{name}", variable=f"{NAMED[table]}{plain.upper()}", file=f"{table}_secret_{plain.lower()}"
    )


def names_of(tree: Mapping[str, Any], table: str) -> Iterator[tuple[int, str]]:
    """Yield the place and the name of each of the tables of one kind that has a usable one."""
    tables = tree.get(table)
    for index, one in enumerate(tables if isinstance(tables, list) else ()):
        name = one.get("name") if isinstance(one, Mapping) else None
        if isinstance(name, str) and name.strip():
            yield index, name


@dataclass(frozen=True, kw_only=True)
class Found:
    """A secret and where it came from; or what stands in the way of reading it."""

    text: str = ""
    origin: str = ""
    problem: str = ""


def find(spec: SecretSpec, *, environ: Mapping[str, str], secrets_dir: str | None) -> Found | None:
    """Return a secret from the first place that has it; None when none has."""
    if given := environ.get(spec.variable, "").strip():  # as of a file: a newline at its end is no part of it
        return Found(text=given, origin=spec.variable)
    for directory, guarded in _directories(environ, secrets_dir):
        path = directory / spec.file
        try:
            if path.is_file():
                return _read(path, guarded=guarded)
        except (OSError, UnicodeDecodeError) as error:
            return Found(problem=f"{path} cannot be read ({error}); let the daemon's user read it")
    return None


def find_named(
    tree: Mapping[str, Any], *, environ: Mapping[str, str], secrets_dir: str | None
) -> dict[str, Found | None]:
    """Return the secret of each table that may have one by its key, as far as there is one."""
    specs = (named_secret(table, name) for table in NAMED for _, name in names_of(tree, table))
    return {spec.key: find(spec, environ=environ, secrets_dir=secrets_dir) for spec in specs}


def secret_of(table: str, name: str, kept: Mapping[str, Found | None]) -> Secret:
    """Return the secret of a table, empty where there is none."""
    found = kept.get(named_secret(table, name).key)
    return Secret(found.text if found else "")


def _directories(environ: Mapping[str, str], secrets_dir: str | None) -> Iterator[tuple[Path, bool]]:
    """Yield where files may lie, and whether somebody else guards them: systemd keeps its credentials to one user."""
    if environ.get("CREDENTIALS_DIRECTORY"):
        yield Path(environ["CREDENTIALS_DIRECTORY"]), True
    if secrets_dir:
        yield Path(secrets_dir), False


def _read(path: Path, *, guarded: bool) -> Found:
    mode = path.stat()
    if not guarded and mode.st_mode & stat.S_IRWXO:
        return Found(problem=f"{path} may be read by everybody on this machine; run: chmod 600 {path}")
    if mode.st_size > LARGEST_BYTES:
        return Found(problem=f"{path} is too large for a secret; it should hold one line")
    text = path.read_text(encoding="utf-8").strip()
    if not text:
        return Found(problem=f"{path} is empty; write the secret into it, or remove it")
    return Found(text=text, origin=str(path))
