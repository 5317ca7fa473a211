"""Errors, sorted by what the caller should do next."""

from collections.abc import Sequence


class KwhenError(Exception):
    """Every error that kwhen raises on purpose."""


class ConfigError(KwhenError):
    """The configuration is wrong. `problems` names all of them, each with its key and remedy; exit status 78."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ProviderError(KwhenError):
    """The only family that may leave a `VehicleProvider`. `ambiguous`: the request may have been applied."""

    ambiguous = False


class ProviderUnavailable(ProviderError):  # noqa: N818
    """Wait and try again: time-out, no network, 5xx."""

    def __init__(self, text: str, *, ambiguous: bool = False) -> None:
        super().__init__(text)
        self.ambiguous = ambiguous


class ProviderThrottled(ProviderError):  # noqa: N818
    """Wait at least `retry_after_s` before the next request in the same bucket."""

    def __init__(self, text: str, *, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class ProviderUnauthorized(ProviderError):  # noqa: N818
    """A person must act: wrong client credentials, or the account must be linked again."""


class CommandRejected(ProviderError):  # noqa: N818
    """Understood and refused. `status` is the HTTP status, `reason` the provider's words."""

    def __init__(self, text: str, *, status: int, reason: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


class NotFound(ProviderError):  # noqa: N818
    """The thing asked for does not exist (any more)."""


class ProviderProtocolError(ProviderError):
    """An answer that does not fit its documentation."""


class PriceError(KwhenError):
    """A price source has nothing usable."""


class PricesNotPublished(PriceError):  # noqa: N818
    """Normal before the auction result."""


class PricesUnavailable(PriceError):  # noqa: N818
    """The source failed. `retry_after_s` is set where it said how long to wait."""

    def __init__(self, text: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class PricesRefused(PricesUnavailable):
    """The source will not answer this question, ever: a wrong token, zone or address. Somebody must mend it."""


class CalendarUnread(KwhenError):  # noqa: N818
    """A calendar could not be read. Its text holds no address.

    `retry_after_s` is set where it was said how long to wait; `refused` where no repetition mends it.
    """

    def __init__(self, text: str, *, retry_after_s: float = 0.0, refused: bool = False) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s
        self.refused = refused


class PolicyError(KwhenError):
    """A policy could not be loaded, raised, hung, or stated nonsense."""

    def __init__(self, policy: str, text: str) -> None:
        super().__init__(f"policy {policy}: {text}")
        self.policy = policy


class StoreError(KwhenError):
    """The store could not do it."""


class StoreBusy(StoreError):  # noqa: N818
    """Locked or slow for now: answer 503, try again."""


class StoreStale(StoreError):  # noqa: N818
    """The row was changed since it was read: read again, decide again."""


class StoreLocked(StoreError):  # noqa: N818
    """Another daemon runs on this database; the text names it."""


class StoreNewer(StoreError):  # noqa: N818
    """The schema is newer than this program knows, or the file is damaged; exit status 65. Nothing was changed."""


class StoreDamaged(StoreNewer):
    """What is stored cannot be read as it was written; exit status 65 where nobody mends it. Nothing was changed."""


class OnboardError(KwhenError):
    """Something of the setting-up that cannot be done. `remedy` says what to do instead."""

    def __init__(self, text: str, *, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy


class NotThere(OnboardError):  # noqa: N818
    """No such vehicle, charger, home, prompt or conflict."""


class LinkOver(OnboardError):  # noqa: N818
    """The link's state is unknown, was used, or has expired: begin again."""


class Refused(OnboardError):  # noqa: N818
    """Understood, and not done: it would contradict what is there."""


class ReadOnlyHome(Refused):
    """The home stands in the configuration file: change it there. `lines` is what to paste."""

    def __init__(self, text: str, *, file: str, key: str, lines: str, remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.file = file
        self.key = key
        self.lines = lines


class HomeInvalid(ConfigError):  # noqa: N818
    """A home that was handed over is not valid. `problems` as ever."""


class NotTold(KwhenError):  # noqa: N818
    """A notifier could not deliver a message, or does not know whether it did: try again later.

    `remedy` says what a person may do about it; empty where only time helps.
    """

    def __init__(self, text: str, *, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy
