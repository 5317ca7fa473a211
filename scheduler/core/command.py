"""Commands: what we send, and what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Action(StrEnum):
    """What can be asked of a vehicle."""

    START = "START"
    STOP = "STOP"

    @property
    def opposite(self) -> "Action":
        """The other one."""
        return Action.STOP if self is Action.START else Action.START


class Why(StrEnum):
    """Why a command is sent. The rules of invariants S4, S7, S9–S12 depend on it."""

    PLAN = "plan"
    DEADLINE = "deadline"
    MIN_SOC = "min_soc"
    TARGET = "target"
    CAP = "cap"
    USER = "user"
    RECONCILE = "reconcile"


class CommandState(StrEnum):
    """The life of a command. The last five are final."""

    SENT = "sent"  # intent durable, handed to the network; no answer yet
    AMBIGUOUS = "ambiguous"  # the answer was lost: read back before anything else
    PENDING = "pending"  # the provider tries
    CONFIRMED = "confirmed"  # the provider says done; not yet seen
    VERIFIED = "verified"  # a newer observation shows it
    UNVERIFIED = "unverified"  # confirmed, yet nothing newer shows it
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # never took effect and no longer wanted


FINAL = frozenset(
    {CommandState.VERIFIED, CommandState.UNVERIFIED, CommandState.FAILED, CommandState.CANCELLED, CommandState.EXPIRED}
)


class Outcome(StrEnum):
    """What an attempt to send, or a look at an action, told us."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"  # refused at once: 400, 403, 404, 422
    AMBIGUOUS = "ambiguous"  # the request may or may not have been applied
    NOT_SENT = "not_sent"  # certainly never reached the provider


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Enode's `failureReason`, or our own word for a refusal (`HTTP_400`, `HTTP_404`, `HTTP_422`, `LOST`, ...)."""

    type: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionReport:
    """News of one action: from the answer to the command, from polling it, or from a webhook."""

    outcome: Outcome
    received_at: datetime
    action_id: str | None = None
    vehicle_id: str | None = None
    kind: Action | None = None
    failure: Failure | None = None
    retry_after_s: float | None = None
    command_id: str | None = None  # set when the report answers a command of ours directly


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One command with all that is known of it. `id` is ours; `action_id` is the provider's."""

    id: str
    vehicle_id: str
    action: Action
    why: Why
    state: CommandState
    sent_at: datetime
    epoch: int
    sent_ns: int | None = None  # monotonic clock of the run `epoch`
    action_id: str | None = None
    failure: Failure | None = None
    resume_at: datetime | None = None  # a STOP: when the plan means to charge again
    answered_at: datetime | None = None
    ambiguous_at: datetime | None = None
    confirmed_at: datetime | None = None
    recall_at: datetime | None = None  # cancellation was asked for
    looked_at: datetime | None = None  # last time the action was polled
    ended_at: datetime | None = None
    verified: bool = False
    found: bool | None = None  # what a read-back said

    @property
    def final(self) -> bool:
        """Tell whether nothing more will come of it."""
        return self.state in FINAL

    def age(self, *, at: datetime, mono_ns: int, run: int) -> timedelta:
        """Return how long ago one of this run was sent by the clock that cannot step; others by the wall clock."""
        if self.sent_ns is None or self.epoch != run:
            return at - self.sent_at
        return timedelta(microseconds=(mono_ns - self.sent_ns) // 1000)  # never a moment too much
