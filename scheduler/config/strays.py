"""Variables that begin as ours and say nothing: misspelt, most likely, and so a secret that is not there."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from scheduler.config.secrets import CLIENT_ID, NOTIFY_VARIABLE, SECRETS, notify_secret
from scheduler.config.tables import PREFIX, File

NOT_OURS = frozenset({"KWHEN_CONFIG", "KWHEN_DATA", "KWHEN_REFERENCE", "KWHEN_TRACEBACK"})
"""Variables that begin as ours and are no settings."""

ALIKE = 0.75
"""From this likeness on a name is taken for another one misspelt."""


def is_setting(name: str) -> bool:
    """Tell whether a variable names a table or a key of the file; secrets are none."""
    taken = NOT_OURS | {spec.variable for spec in SECRETS}
    if not name.startswith(PREFIX) or name in taken or name.startswith(NOTIFY_VARIABLE):
        return False
    return name.removeprefix(PREFIX).partition("__")[0].lower() in File.model_fields


def strays(environ: Mapping[str, str], notifiers: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield a sentence for each variable that begins as ours and is neither setting nor secret.

    With it goes whether it is likely one of those, misspelt; else it may be a stranger's.

    Args:
        environ: the variables.
        notifiers: names of the `[[notify]]` tables, whose secrets have a variable each.
    """
    told = [notify_secret(name).variable for name in notifiers]
    secret = [*(spec.variable for spec in (*SECRETS, CLIENT_ID)), *told]
    sections = [PREFIX + section.upper() for section in File.model_fields]
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in NOT_OURS or name in secret or is_setting(name):
            continue
        if name.startswith(NOTIFY_VARIABLE):
            yield f"the variable {name} belongs to no notifier; {_meant(name, told) or _all(told)}", True
        else:
            meant = _meant(name, [*secret, *sections])
            yield f"the variable {name} is no setting{f'; {meant}' if meant else ''}", bool(meant)


def _meant(name: str, valid: Iterable[str]) -> str:
    """Return which name was likely meant. What all of them begin with makes none of them alike."""
    shared = NOTIFY_VARIABLE if name.startswith(NOTIFY_VARIABLE) else PREFIX
    own = {one.removeprefix(shared): one for one in valid}
    close = get_close_matches(name.removeprefix(shared).upper(), own, n=1, cutoff=ALIKE)
    return f"did you mean {own[close[0]]!r}?" if close else ""


def _all(told: list[str]) -> str:
    return f"valid are: {', '.join(sorted(told))}" if told else "no [[notify]] is configured"


def notifier_names(tree: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the place and the name of each `[[notify]]` table that has a usable one."""
    tables = tree.get("notify")
    for index, table in enumerate(tables if isinstance(tables, list) else ()):
        name = table.get("name") if isinstance(table, Mapping) else None
        if isinstance(name, str) and name.isidentifier():
            yield index, name
