"""Keys of earlier releases that no setting bears any more, and what to write instead (C08).

A key that is renamed or removed gets an entry here, in the same change; tests/unit/configurations keeps the example of
each release, and a test that it loads or is told why not. So far every key that ever was still is one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

Problem = tuple[str, str]

FORMER: Final[Mapping[str, str]] = {}
"""By key path without places in lists, as `home.policy.per_kwh`: what became of it and what to do, as
`was renamed in 0.2: write control.r_out_min` or `was removed in 0.3, since prices say it themselves: delete it`."""

UNKNOWN = "is unknown"


def explained(problems: Iterable[Problem], former: Mapping[str, str] | None = None) -> Iterator[Problem]:
    """Yield the problems; of an unknown key that once was one, what became of it instead of the nearest known key."""
    known = FORMER if former is None else former
    for key, text in problems:
        became = known.get(re.sub(r"\[\d+\]", "", key)) if text.startswith(UNKNOWN) else None
        yield key, became or text
