"""One vehicle's turn, and what is written and told of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from scheduler.core.cycle import Observed
from scheduler.core.keys import decision_key
from scheduler.core.model import Decision, Home, Situation
from scheduler.core.observation import Stamp
from scheduler.core.settling import Settled
from scheduler.core.voicing import told_at
from scheduler.loop.journal import Journal
from scheduler.ports import (
    AlertChange,
    Batch,
    DecisionRecord,
    InboxRow,
    OverrideRecord,
    SessionRecord,
    Versioned,
)
from storage.mapping import encode_decision, encode_situation

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One vehicle's cycle, ready to be written."""

    home: Home
    seen_version: int
    observed: Observed
    settled: Settled
    decided: bool = True  # False: the last decision still stands
    situation: Situation
    decision: Decision
    session: SessionRecord | None = None


def batch_of(turns: Sequence[Turn], rows: Sequence[InboxRow], *, journal: Journal, now: Stamp) -> Batch:
    """Return everything that the turns leave behind, as one transaction."""
    drafts: list[tuple[str | None, Mapping[str, Any]]] = []
    records: list[DecisionRecord] = []
    blobs: dict[str, bytes] = {}
    states = []
    for turn in turns:
        vehicle_id = turn.settled.state.vehicle_id
        drafts += [(vehicle_id, line) for line in (*turn.observed.events, *turn.settled.events)]
        state = turn.settled.state
        key = decision_key(turn.situation, turn.decision) if turn.decided else state.decision_key
        if key != state.decision_key:
            record, extra = _record(turn, key)
            records.append(record)
            blobs |= extra
            state = replace(state, decision_key=key)
            drafts.append((vehicle_id, {"k": "SIT", "key": record.key, "desired": turn.decision.desired}))
        states.append(Versioned(state=state, version=turn.seen_version))
    commands = {c.id: c for t in turns for c in (*t.observed.commands, *t.settled.commands)}
    return Batch(
        states=states,
        done=[row.id for row in rows],
        events=journal.number(drafts, now=now),
        commands=list(commands.values()),
        decisions=records,
        sessions=[t.session for t in turns if t.session is not None],
        alerts=[a for t in turns for a in _alert_changes(t)],
        overrides=[o for t in turns for o in _override_records(t)],
        blobs=blobs,
    )


def _record(turn: Turn, key: str) -> tuple[DecisionRecord, dict[str, bytes]]:
    situation, blobs = encode_situation(turn.situation)
    decision = turn.decision
    summary = "; ".join(r.text for r in decision.reasons[:2])
    record = DecisionRecord(
        vehicle_id=turn.settled.state.vehicle_id,
        home_id=turn.home.id,
        at=turn.situation.at,
        key=key,
        situation=situation,
        decision=encode_decision(decision),
        summary=summary,
        command_id=turn.settled.intent.id if turn.settled.intent is not None else None,
    )
    return record, dict(blobs)


def tell(turn: Turn) -> None:
    """End the turn with one line that tells the whole story, when something happened."""
    intent, decision = turn.settled.intent, turn.decision
    if intent is not None:
        log.info(
            "command.sent",
            vehicle_id=intent.vehicle_id,
            command=str(intent.action),
            why=str(intent.why),
            reason=decision.reasons[0].text if decision.reasons else "",
            soc_pct=decision.soc_pct,
        )
    for command in turn.observed.commands:
        if command.final:
            log.info(
                "command.ended",
                vehicle_id=command.vehicle_id,
                command=str(command.action),
                state=str(command.state),
                verified=command.verified,
                failure=command.failure.type if command.failure else None,
            )
    for line in turn.observed.events:
        if line["k"] == "PLUG":
            log.info(
                "session.started" if line["op"] == "in" else "session.ended", vehicle_id=turn.settled.state.vehicle_id
            )


def _alert_changes(turn: Turn) -> Iterator[AlertChange]:
    vehicle_id, at = turn.settled.state.vehicle_id, turn.situation.at
    for alert in turn.decision.alerts:
        if alert.code in turn.settled.raised:
            yield AlertChange(
                code=alert.code,
                vehicle_id=vehicle_id,
                text=alert.text,
                severity=alert.severity,
                raised_at=told_at(turn.settled.state, alert.code, at),
            )
    for code in turn.settled.cleared:
        yield AlertChange(code=code, vehicle_id=vehicle_id, text="", severity="info", raised_at=at, cleared_at=at)


def _override_records(turn: Turn) -> Iterator[OverrideRecord]:
    for wish in turn.observed.wishes:
        yield OverrideRecord(
            vehicle_id=turn.settled.state.vehicle_id,
            override=wish.override,
            cleared_at=wish.ended_at,
            cleared_by=wish.ended_by,
        )
