"""Where to look for the running daemon's socket. Standard library only: every command asks."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

NAME = "kwhen.sock"


def socket_places(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where the socket may be when nothing says it, most likely first.

    A daemon of the person's own uses the login session's runtime directory, or the state directory where there is
    none; one under systemd uses `/run/kwhen`.
    """
    home = environment.get("HOME") or "."
    state = environment.get("XDG_STATE_HOME") or f"{home}/.local/state"
    directories = [
        environment.get("RUNTIME_DIRECTORY", "").split(":")[0],
        f"{environment['XDG_RUNTIME_DIR']}/kwhen" if environment.get("XDG_RUNTIME_DIR") else "",
        f"{state}/kwhen",
        "/run/kwhen",
    ]
    return tuple(Path(directory) / NAME for directory in directories if directory)


def configured_socket(config: Path) -> Path | None:
    """Return the `socket` that a configuration file names; None when it names none or cannot be read."""
    try:
        named = tomllib.loads(config.read_text(encoding="utf-8")).get("socket")
    except (OSError, ValueError):
        return None
    return Path(named) if isinstance(named, str) and named else None


def find_socket(given: Path | None, config: Path) -> Path:
    """Return the socket to ask: the one given, the configured one, or the first of the usual places that exists."""
    if (named := given or configured_socket(config)) is not None:
        return named
    places = socket_places()
    return next((place for place in places if place.exists()), places[-1])
