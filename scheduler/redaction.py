"""Takes secrets out of any text before it is shown, stored or logged (S19).

A secret is found as it is, URL-encoded, in hexadecimal and in base64, there also in the middle of a longer base64 text
such as the one of HTTP Basic.
"""

import base64
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
SHORTEST = 4
"""Shorter secrets are not looked for: they would be found everywhere."""
PASSING = 8


class Redactor:
    """Replaces every known secret in a text.

    Args:
        secrets: those that stay for the life of the process, such as the client's secret.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lasting = {s for s in secrets if len(s) >= SHORTEST}
        self._passing: deque[str] = deque(maxlen=PASSING)
        self._forms: tuple[str, ...] | None = None

    def add(self, *secrets: str) -> None:
        """Learn secrets that stay."""
        self._lasting.update(s for s in secrets if len(s) >= SHORTEST)
        self._forms = None

    def add_passing(self, secret: str) -> None:
        """Learn a secret that is soon worth nothing, such as an access token; the oldest of 8 is forgotten."""
        if len(secret) >= SHORTEST and secret not in self._passing:
            self._passing.append(secret)
            self._forms = None

    def __call__(self, text: str) -> str:
        """Return the text with `[hidden]` in the place of each secret."""
        if self._forms is None:
            forms = {form for secret in (*self._lasting, *self._passing) for form in forms_of(secret)}
            self._forms = tuple(sorted(forms, key=len, reverse=True))
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text


def forms_of(secret: str) -> Iterator[str]:
    """Yield the texts under which a secret may appear."""
    raw = secret.encode()
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), raw.hex(), raw.hex().upper())
    for lead in range(3):  # inside a longer text it may begin at any of three places of a base64 group
        yield from _base64_inside(raw, lead)


def _base64_inside(raw: bytes, lead: int) -> Iterator[str]:
    """Yield the characters that are the secret's alone when `lead` foreign bytes stand before it."""
    first = (0, 2, 3)[lead]
    last = (lead + len(raw)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        inside = encode(b"\0" * lead + raw).decode()[first:last]
        if len(inside) >= SHORTEST:
            yield inside
