"""What every store does, whatever it is made of."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from scheduler.core.command import CommandState
from scheduler.core.errors import StoreError, StoreStale
from scheduler.core.model import Flow, shard_of
from scheduler.core.terms import PriceState
from scheduler.ports import Batch, SessionTotal, Store, Versioned
from tests.contract.store_values import (
    T0,
    after,
    alert,
    all_decisions,
    command,
    decision,
    event,
    everything,
    first,
    inbound,
    override,
    prices,
    session,
    state,
)

SHARD = shard_of("user")


@pytest.fixture
async def opened(store: Store) -> AsyncIterator[Store]:
    async with running(store):
        yield store


@contextlib.asynccontextmanager
async def running(store: Store) -> AsyncIterator[int]:
    run = await store.open(node="here")
    try:
        yield run
    finally:
        await store.close()


async def test_a_run_is_counted_each_time_it_is_opened(store):
    for expected in (1, 2, 3):
        async with running(store) as run:
            assert run == expected


async def test_everything_survives_closing(store):
    async with running(store):
        await store.put([inbound(key="k", payload=b"\x00\xff")])
        await store.commit(everything())
        await store.put_prices(prices([0.1, 0.2]))
    async with running(store):
        assert [row.work for row in await store.take(SHARD)] == [inbound(key="k", payload=b"\x00\xff")]
        assert await store.put([inbound(key="k")]) == 0
        assert await store.states() == [Versioned(state=state(), version=1)]
        assert [e["seq"] for e in await store.journal()] == [1, 2]
        assert await store.commands() == [command()]
        assert await all_decisions(store) == [decision(T0)]
        assert await store.sessions() == [session()]
        assert await store.alerts() == [alert()]
        assert await store.blob("abc") == b'{"id":"h1"}'
        assert await store.prices(since=T0) == [prices([0.1, 0.2])]


async def test_names_that_no_column_can_hold_do_not_keep_the_rest_from_being_stored(store):
    """A delivery may say anything; all that came with it is one commit."""
    odd = replace(inbound("user\x00", key="odd"), vehicle_id="car\x00")
    async with running(store):
        assert await store.put([inbound(key="k"), odd]) == 2
        assert await store.put([odd]) == 0
        (read,) = await store.take(shard_of(odd.user_id))
        assert read.work.payload == odd.payload
        assert [row.work for row in await store.take(SHARD)] == [inbound(key="k")]


async def test_a_closed_store_refuses_to_write(store):
    async with running(store):
        pass
    with pytest.raises(StoreError, match="not open"):
        await store.put([inbound()])
    with pytest.raises(StoreError, match="not open"):
        await store.commit(Batch())


# --- work


async def test_work_is_taken_in_order_of_arrival_and_stays_until_done(opened):
    await opened.put([inbound(payload=b"1"), inbound("someone else", payload=b"x")])
    await opened.put([inbound(payload=b"2")])
    rows = await opened.take(SHARD)
    assert [row.work.payload for row in rows] == [b"1", b"2"]
    assert await opened.take(SHARD) == rows
    assert await opened.take(SHARD, limit=1) == rows[:1]
    assert await opened.shards_with_work() == {SHARD, shard_of("someone else")}
    await opened.commit(Batch(done=[rows[0].id]))
    assert await opened.take(SHARD) == rows[1:]
    await opened.commit(Batch(done=[rows[1].id]))
    assert await opened.take(SHARD) == []
    assert await opened.shards_with_work() == {shard_of("someone else")}


async def test_an_event_is_stored_once_whatever_its_way_in(opened):
    assert await opened.put([inbound(key="a"), inbound(key="a"), inbound(key="b")]) == 2
    assert sum(await asyncio.gather(*(opened.put([inbound(key="c")]) for _ in range(20)))) == 1
    assert [row.work.key for row in await opened.take(SHARD)] == ["a", "b", "c"]


async def test_an_event_that_is_done_is_still_known(opened):
    await opened.put([inbound(key="a")])
    await opened.commit(Batch(done=[row.id for row in await opened.take(SHARD)]))
    assert await opened.put([inbound(key="a")]) == 0


async def test_work_without_a_key_is_never_a_duplicate(opened):
    assert await opened.put([inbound(), inbound()]) == 2
    assert len(await opened.take(SHARD)) == 2


async def test_putting_nothing_stores_nothing(opened):
    assert await opened.put([]) == 0


async def test_work_put_by_a_caller_that_gave_up_is_not_lost(opened):
    task = asyncio.create_task(opened.put([inbound(payload=b"kept")]))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await opened.ping()  # behind it in the queue
    assert [row.work.payload for row in await opened.take(SHARD)] == [b"kept"]


# --- batches


async def test_a_vehicle_is_written_on_the_version_that_was_read(opened):
    await opened.commit(Batch(states=[first(name="one")]))
    await opened.commit(Batch(states=[Versioned(state=state(name="two", due=after(5)), version=1)]))
    assert await opened.states() == [Versioned(state=state(name="two", due=after(5)), version=2)]


@pytest.mark.parametrize("seen", [0, 2])
async def test_a_stale_version_writes_nothing_at_all(opened, seen):
    await opened.commit(Batch(states=[first(name="one")]))
    await opened.put([inbound()])
    rows = await opened.take(SHARD)
    stale = Batch(
        states=[first("v2"), Versioned(state=state(name="lost"), version=seen)],
        done=[rows[0].id],
        events=[event(1)],
        commands=[command()],
        alerts=[alert()],
    )
    with pytest.raises(StoreStale, match="v1"):
        await opened.commit(stale)
    assert await opened.states() == [Versioned(state=state(name="one"), version=1)]
    assert await opened.take(SHARD) == rows
    assert await opened.journal() == []
    assert await opened.commands() == []
    assert await opened.alerts() == []


async def test_a_stale_batch_does_not_harm_those_beside_it(opened):
    await opened.commit(Batch(states=[first("v0")]))
    results = await asyncio.gather(
        *(opened.commit(Batch(states=[first(f"v{i}")])) for i in range(10)), return_exceptions=True
    )
    assert isinstance(results[0], StoreStale)
    assert results[1:] == [None] * 9
    assert len(await opened.states()) == 10


async def test_one_of_two_writers_of_a_version_wins(opened):
    results = await asyncio.gather(
        opened.commit(Batch(states=[first(name="one")])),
        opened.commit(Batch(states=[first(name="two")])),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), StoreStale]
    assert [read.state.decision_key for read in await opened.states()] == ["one"]


async def test_an_event_that_cannot_be_stored_takes_its_batch_with_it(opened):
    for bad in ({"k": "OBS"}, event(1, thing=object())):
        with pytest.raises(StoreError, match="event"):
            await opened.commit(Batch(states=[first()], events=[bad]))
    assert await opened.states() == []


async def test_a_number_is_used_once_a_run(opened):
    await opened.commit(Batch(events=[event(1)]))
    with pytest.raises(StoreError):
        await opened.commit(Batch(events=[event(1)], states=[first()]))
    await opened.commit(Batch(events=[event(1, run=2)]))
    assert [(e["run"], e["seq"]) for e in await opened.journal()] == [(1, 1), (2, 1)]
    assert await opened.states() == []


async def test_the_journal_is_read_page_by_page(opened):
    written = [
        event(i, vehicle="v1" if i % 2 else "v2", run=1 if i < 5 else 2, deep=[{"a": None}]) for i in range(1, 9)
    ]
    await opened.commit(Batch(events=written))
    page = await opened.journal(limit=3)
    assert [{k: v for k, v in e.items() if k != "row"} for e in page] == written[:3]
    assert [e["seq"] for e in await opened.journal(after=page[-1]["row"])] == [4, 5, 6, 7, 8]
    assert [e["seq"] for e in await opened.journal(run=2)] == [5, 6, 7, 8]
    assert [e["seq"] for e in await opened.journal(vehicle_id="v2", run=1)] == [2, 4]


async def test_a_command_is_kept_as_it_stands_now(opened):
    await opened.commit(Batch(commands=[command("c1"), command("c2", vehicle="v2", at=after(1))]))
    ended = command("c1", state=CommandState.VERIFIED, ended_at=after(7), verified=True, action_id="a1")
    await opened.commit(Batch(commands=[ended]))
    assert await opened.commands() == [command("c2", vehicle="v2", at=after(1)), ended]
    assert await opened.commands(vehicle_id="v1") == [ended]
    assert await opened.commands(since=after(1)) == [command("c2", vehicle="v2", at=after(1))]
    assert await opened.commands(limit=1) == [command("c2", vehicle="v2", at=after(1))]
    assert await opened.commands(vehicle_id="v1", since=after(1)) == []


async def test_a_decision_is_in_force_until_the_next(opened):
    made = [decision(after(i * 10), summary=str(i)) for i in range(3)]
    await opened.commit(Batch(decisions=[*made, decision(after(5), vehicle="v2")]))
    assert await opened.decision_at("v1", after(-1)) is None
    assert await opened.decision_at("v1", after(0)) == made[0]
    assert await opened.decision_at("v1", after(19)) == made[1]
    assert await opened.decision_at("v1", after(days=9)) == made[2]
    assert await opened.decision_at("v3", after(0)) is None


async def test_of_two_decisions_at_one_instant_the_later_holds(opened):
    await opened.commit(Batch(decisions=[decision(T0, summary="one"), decision(T0, summary="two")]))
    found = await opened.decision_at("v1", T0)
    assert found is not None
    assert found.summary == "two"


async def test_decisions_come_oldest_first_however_many(opened):
    made = [decision(after(i), vehicle=f"v{i % 2}") for i in range(450)]
    await opened.commit(Batch(decisions=made))
    assert await all_decisions(opened) == made
    assert await all_decisions(opened, vehicle="v1") == made[1::2]
    assert await all_decisions(opened, limit=201) == made[:201]


async def test_what_decisions_share_is_kept_once(opened):
    await opened.commit(Batch(blobs={"abc": b"[1]"}))
    await opened.commit(Batch(blobs={"abc": b"[1]", "def": b"[2]"}))
    assert [await opened.blob(digest) for digest in ("abc", "def", "nothing")] == [b"[1]", b"[2]", None]


async def test_a_session_is_kept_as_it_stands_now(opened):
    await opened.commit(Batch(sessions=[session("s1"), session("s2", vehicle="v2", at=after(1))]))
    ended = replace(session("s1", end=after(hours=8)), met=True, soc_end_pct=81.5)
    await opened.commit(Batch(sessions=[ended]))
    assert await opened.sessions() == [session("s2", vehicle="v2", at=after(1)), ended]
    assert await opened.sessions(vehicle_id="v1") == [ended]
    assert await opened.sessions(limit=1) == [session("s2", vehicle="v2", at=after(1))]


async def test_sessions_are_read_on_behind_the_last_that_was_read(opened):
    kept = [session(f"s{n}", at=after(n // 2), vehicle=f"v{n % 3}") for n in range(9)]  # two begin at the same instant
    await opened.commit(Batch(sessions=kept))
    read, last = [], None
    while page := await opened.sessions(behind=last, limit=2):
        read += page
        last = page[-1]
    assert read == sorted(kept, key=lambda one: (one.plugged_at, one.id), reverse=True)
    assert await opened.sessions(behind=kept[4], vehicle_id="v0") == [kept[3], kept[0]]


async def test_sessions_that_had_ended_by_then_are_left_out(opened):
    stood = [session("over", end=after(hours=2)), session("went-on", end=after(hours=3)), session("open")]
    await opened.commit(Batch(sessions=[*stood, session("of another", vehicle="v2")]))
    found = await opened.sessions(vehicle_id="v1", since=after(hours=2))
    assert [one.id for one in found] == ["went-on", "open"]


async def test_when_a_session_was_charging_is_kept(opened):
    flows = (Flow(start=after(), end=after(hours=1), kw=7.4), Flow(start=after(hours=2), end=after(hours=3), kw=11))
    await opened.commit(Batch(sessions=[replace(session(), flows=flows)]))
    assert (await opened.sessions())[0].flows == flows


async def test_sessions_are_added_up_by_currency(opened):
    assert await opened.session_totals() == []
    unpriced = replace(session("s2", at=after(1)), energy_kwh=1.0, cost=None)
    without_baseline = replace(session("s3", vehicle="v2"), cost=4.0, baseline_cost=None)
    abroad = replace(session("s4", vehicle="v2"), currency="DKK", energy_kwh=3.5, cost=None, baseline_cost=None)
    await opened.commit(Batch(sessions=[session("s1"), unpriced, without_baseline, abroad]))
    dkk, eur = await opened.session_totals()
    assert dkk == SessionTotal(currency="DKK", sessions=1, energy_kwh=3.5, cost=0.0, saved=0.0, unpriced=1)
    assert eur == SessionTotal(currency="EUR", sessions=3, energy_kwh=25.5, cost=5.5, saved=1.25, unpriced=1)
    assert [(t.currency, t.sessions) for t in await opened.session_totals(vehicle_id="v1")] == [("EUR", 2)]


async def test_grams_are_kept_and_added_up_where_they_are_known(opened):
    weighed = [replace(session("s1"), grams=1250.5, baseline_grams=3000.0), replace(session("s2"), grams=100.0)]
    unknown = session("s3", vehicle="v2")
    await opened.commit(Batch(sessions=[*weighed, unknown]))
    assert await opened.sessions(vehicle_id="v1") == weighed[::-1]
    (total,) = await opened.session_totals()
    assert (total.grams, total.grams_saved, total.with_grams) == (1350.5, 1749.5, 2)
    (other,) = await opened.session_totals(vehicle_id="v2")
    assert (other.grams, other.grams_saved, other.with_grams) == (0.0, 0.0, 0)


async def test_a_session_that_is_written_again_counts_once(opened):
    await opened.commit(Batch(sessions=[session("s1")]))
    await opened.commit(Batch(sessions=[replace(session("s1"), energy_kwh=20.0, cost=2.0)]))
    (total,) = await opened.session_totals()
    assert (total.sessions, total.energy_kwh, total.cost, total.saved) == (1, 20.0, 2.0, 0.75)


async def test_one_alert_is_open_for_a_code_and_a_vehicle(opened):
    await opened.commit(
        Batch(alerts=[alert(), alert(vehicle=None, at=after(1)), alert("STORE_TROUBLE", vehicle=None, at=after(2))])
    )
    await opened.commit(Batch(alerts=[alert(text="later", at=after(3))]))
    assert await opened.alerts() == [
        alert("STORE_TROUBLE", vehicle=None, at=after(2)),
        alert(vehicle=None, at=after(1)),
        alert(text="later"),
    ]
    assert len(await opened.alerts(limit=2)) == 2


async def test_a_cleared_alert_may_be_raised_again(opened):
    cleared = replace(alert(), cleared_at=after(9))
    await opened.commit(Batch(alerts=[alert()]))
    await opened.commit(Batch(alerts=[cleared]))
    assert await opened.alerts() == []
    await opened.commit(Batch(alerts=[alert(at=after(20))]))
    assert await opened.alerts() == [alert(at=after(20))]
    assert await opened.alerts(open_only=False) == [alert(at=after(20)), cleared]


async def test_clearing_what_is_not_raised_does_nothing(opened):
    await opened.commit(Batch(alerts=[replace(alert(), cleared_at=after(9))]))
    assert await opened.alerts(open_only=False) == []


# --- prices


async def test_prices_are_read_from_an_instant_on(opened):
    await opened.put_prices(prices([1.0, -2.0, 0.0]))
    await opened.put_prices(prices([9.0], source="grid"))
    assert await opened.prices(since=T0) == [prices([9.0], source="grid"), prices([1.0, -2.0, 0.0])]
    assert await opened.prices(since=after(90)) == [prices([-2.0, 0.0], start=after(60))]
    assert await opened.prices(since=after(180)) == []


async def test_the_newest_fetch_wins_by_interval(opened):
    await opened.put_prices(prices([1, 2, 3]))
    await opened.put_prices(prices([7.5] * 4, start=after(30), slot_minutes=15, fetched_at=after(5)))
    (found,) = await opened.prices(since=T0)
    assert found.fetched_at == after(5)
    spans = [((s.start - T0).seconds // 60, (s.end - T0).seconds // 60, s.per_kwh) for s in found.slots]
    assert spans == [
        (0, 30, 1),
        (30, 45, 7.5),
        (45, 60, 7.5),
        (60, 75, 7.5),
        (75, 90, 7.5),
        (90, 120, 2),
        (120, 180, 3),
    ]


@pytest.mark.parametrize("ahead", [5, 5 * 365 * 24 * 60])
async def test_what_is_stored_last_was_fetched_last_whatever_a_wrong_clock_said(opened, ahead):
    await opened.put_prices(prices([5, 6, 7], start=after(60), fetched_at=after(ahead)))
    await opened.put_prices(prices([1, 2, 3]))
    (found,) = await opened.prices(since=T0)
    assert [slot.per_kwh for slot in found.slots] == [1, 2, 3, 7]
    assert found.fetched_at == T0, "no clock is believed that was ahead of the last one"


async def test_the_same_fetch_again_changes_nothing(opened):
    await opened.put_prices(prices([1, 2]))
    await opened.put_prices(prices([1, 2]))
    assert await opened.prices(since=T0) == [prices([1, 2])]


async def test_prices_of_another_zone_are_not_mixed(opened):
    await opened.put_prices(prices([1, 2], zone="NO1"))
    await opened.put_prices(prices([3], zone="NO2"))
    assert await opened.prices(since=T0) == [prices([3], zone="NO2")]


async def test_prices_of_another_product_are_not_mixed(opened):
    await opened.put_prices(prices([1, 2], product="quarters"))
    await opened.put_prices(prices([3], product="hours", slot_minutes=15))
    assert await opened.prices(since=T0) == [prices([3], product="hours", slot_minutes=15)]


async def test_every_slot_keeps_how_sure_it_is(opened):
    await opened.put_prices(prices([1, 1, 1]))
    await opened.put_prices(prices([2], start=after(60), status=PriceState.FORECAST))
    await opened.put_prices(prices([3], start=after(120), status=PriceState.PRELIMINARY))
    (found,) = await opened.prices(since=T0)
    assert [slot.state for slot in found.slots] == ["final", "forecast", "preliminary"]


async def test_an_empty_series_changes_nothing(opened):
    await opened.put_prices(prices([1]))
    await opened.put_prices(prices([]))
    assert await opened.prices(since=T0) == [prices([1])]


# --- upkeep


async def test_pruning_takes_what_is_old_and_leaves_what_is_open(opened):
    await opened.put([inbound(key="old"), inbound(key="new", at=after(days=2))])
    await opened.commit(
        Batch(
            events=[event(1), event(2, at=after(days=2))],
            commands=[command("old"), command("new", at=after(days=2))],
            sessions=[session("open"), session("old", end=after(hours=9)), session("new", end=after(days=2))],
            alerts=[alert("OPEN"), alert("OLD")],
            overrides=[override(), override(at=after(1), cleared_at=after(2))],
        )
    )
    await opened.commit(Batch(alerts=[replace(alert("OLD"), cleared_at=after(3))]))
    await opened.put_prices(prices([1, 2]))
    names = ("seen_event", "journal", "command", "session", "alert", "override")
    gone = await opened.prune(before=dict.fromkeys(names, after(days=1)) | {"price": after(90)})
    assert gone == 7
    assert await opened.put([inbound(key="old"), inbound(key="new")]) == 1
    assert [e["seq"] for e in await opened.journal()] == [2]
    assert [c.id for c in await opened.commands()] == ["new"]
    assert [s.id for s in await opened.sessions()] == ["open", "new"]
    assert [a.code for a in await opened.alerts(open_only=False)] == ["OPEN"]
    assert await opened.prices(since=T0) == [prices([2], start=after(60))]


async def test_what_decisions_share_goes_with_the_last_of_them(opened):
    old = decision(after(days=-9), situation=b'{"home":"abc","limits":"gone"}')
    new = decision(
        T0, situation=b'{"home":"abc","limits":"new","terms":[{"rank":0,"policy":"p","kind":"price","term":"t"}]}'
    )
    await opened.commit(Batch(decisions=[old], blobs={"abc": b"1", "gone": b"2"}))
    await opened.commit(Batch(decisions=[new], blobs={"new": b"3", "t": b"4"}))
    await opened.prune(before={"decision": after(days=-1)})
    assert await all_decisions(opened) == [new]
    assert [await opened.blob(digest) for digest in ("abc", "new", "t")] == [b"1", b"3", b"4"]


async def test_pruning_names_a_table_that_it_does_not_know(opened):
    with pytest.raises(StoreError, match="horoscope"):
        await opened.prune(before={"horoscope": T0})


async def test_row_numbers_go_on_after_everything_was_pruned(opened):
    await opened.commit(Batch(events=[event(1)]))
    (before,) = await opened.journal()
    await opened.prune(before={"journal": after(days=1)})
    await opened.commit(Batch(events=[event(2)]))
    assert [e["seq"] for e in await opened.journal(after=before["row"])] == [2]


async def test_ping_proves_that_it_can_write(opened):
    await opened.ping()


# --- overrides and small values


async def test_overrides_are_read_newest_first(opened):
    old, new = override(), override(at=after(60), cleared_at=after(70))
    await opened.commit(Batch(overrides=[old]))
    await opened.commit(Batch(overrides=[new]))
    assert await opened.overrides() == [new, old]
    assert await opened.overrides(vehicle_id="v1", limit=1) == [new]
    assert await opened.overrides(vehicle_id="other") == []


async def test_a_small_value_is_kept_by_space_and_name(opened):
    await opened.keep("home", "a", b"\x00one")
    await opened.keep("home", "b", b"two")
    await opened.keep("link", "a", b"three")
    await opened.keep("home", "a", b"again")
    assert await opened.kept("home", "a") == b"again"
    assert await opened.kept("home", "nothing") is None
    assert list((await opened.all_kept("home")).items()) == [("a", b"again"), ("b", b"two")]


async def test_a_small_value_survives_closing(store):
    async with running(store):
        await store.keep("home", "a", b"one")
    async with running(store):
        assert await store.kept("home", "a") == b"one"


async def test_what_has_expired_is_no_longer_there(opened):
    await opened.keep("link", "old", b"1", expires_at=after(-1))
    await opened.keep("link", "new", b"2", expires_at=after(1))
    assert await opened.kept("link", "old") is None
    assert await opened.spend("link", "old") is None
    assert await opened.all_kept("link") == {"new": b"2"}


async def test_what_is_kept_again_lives_by_its_new_end(opened):
    await opened.keep("link", "a", b"1", expires_at=after(-1))
    await opened.keep("link", "a", b"2")
    assert await opened.kept("link", "a") == b"2"


async def test_a_small_value_is_spent_once_whoever_asks_at_the_same_time(opened):
    await opened.keep("link", "a", b"1", expires_at=after(1))
    spent = await asyncio.gather(*(opened.spend("link", "a") for _ in range(20)))
    assert [value for value in spent if value is not None] == [b"1"]
    assert await opened.kept("link", "a") is None


async def test_what_has_expired_can_be_pruned_and_the_rest_never(opened):
    await opened.keep("link", "old", b"1", expires_at=after(-60))
    await opened.keep("link", "new", b"2", expires_at=after(60))
    await opened.keep("home", "a", b"3")
    assert await opened.prune(before={"kept": T0}) == 1
    assert await opened.all_kept("link") == {"new": b"2"}
    assert await opened.all_kept("home") == {"a": b"3"}
