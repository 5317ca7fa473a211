"""Variables that begin as ours and say nothing: misspelt, most likely, and so a secret that is not there."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import chain

from scheduler.config.secrets import CLIENT_ID, NAMED, SECRETS, named_secret
from scheduler.config.tables import PREFIX, File

NOT_OURS = frozenset({"KWHEN_CONFIG", "KWHEN_DATA", "KWHEN_REFERENCE", "KWHEN_TRACEBACK"})
"""Variables that begin as ours and are no settings."""

ALIKE = 0.75
"""From this likeness on a name is taken for another one misspelt."""


def is_setting(name: str) -> bool:
    """Tell whether a variable names a table or a key of the file; secrets are none."""
    taken = NOT_OURS | {spec.variable for spec in SECRETS}
    if not name.startswith(PREFIX) or name in taken or name.startswith(tuple(NAMED.values())):
        return False
    return name.removeprefix(PREFIX).partition("__")[0].lower() in File.model_fields


def strays(environ: Mapping[str, str], named: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, bool]]:
    """Yield a sentence for each variable that begins as ours and is neither setting nor secret.

    With it goes whether it is likely one of those, misspelt; else it may be a stranger's.

    Args:
        environ: the variables.
        named: by kind, the names of the tables whose secrets have a variable each.
    """
    told = {kind: [named_secret(kind, name).variable for name in names] for kind, names in named.items()}
    secret = [*(spec.variable for spec in (*SECRETS, CLIENT_ID)), *chain(*told.values())]
    sections = [PREFIX + section.upper() for section in File.model_fields]
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in NOT_OURS or name in secret or is_setting(name):
            continue
        kind = next((kind for kind, prefix in NAMED.items() if name.startswith(prefix)), None)
        if kind is not None:
            own = told.get(kind, [])
            remedy = _meant(name, own, NAMED[kind]) or _all(own, kind)
            yield f"the variable {name} belongs to no [[{kind}]]; {remedy}", True
        else:
            meant = _meant(name, [*secret, *sections], PREFIX)
            yield f"the variable {name} is no setting{f'; {meant}' if meant else ''}", bool(meant)


def _meant(name: str, valid: Iterable[str], shared: str) -> str:
    """Return which name was likely meant. What all of them begin with makes none of them alike."""
    own = {one.removeprefix(shared): one for one in valid}
    close = get_close_matches(name.removeprefix(shared).upper(), own, n=1, cutoff=ALIKE)
    return f"did you mean {own[close[0]]!r}?" if close else ""


def _all(told: list[str], kind: str) -> str:
    return f"valid are: {', '.join(sorted(told))}" if told else f"no [[{kind}]] is configured"
