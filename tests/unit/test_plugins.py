# ruff: noqa: DTZ001 - departures are written in local time
import asyncio
import dataclasses
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from policies.schedule.off_peak import OffPeak
from policies.schedule.ready_by import Departure, ReadyBy
from policies.tariff.spot import Spot
from scheduler.core.calendar import Recurring
from scheduler.core.errors import ConfigError, PricesNotPublished, PricesUnavailable
from scheduler.core.model import Home, PolicySpec
from scheduler.core.terms import PriceLimit, Target
from scheduler.core.timeline import Interval
from scheduler.plugins import POLICIES, PRICE_SOURCES, PolicySet, PriceFeed, Registry, SettingsError, Status, build
from scheduler.plugins.policy_set import PATIENCE, for_strangers
from scheduler.virtual_time import run_virtual
from tests.plugins.installing import installed
from tests.unit.policies.builders import AT, market, situation

SHORT_S = 0.1
GENEROUS_S = 10.0
IMPORT_S = 2.0


@pytest.fixture
def registry(tmp_path):
    """Every policy that is installed, the good and the broken third-party packages among them."""
    with installed("kwhen-school-run", "kwhen-broken", into=tmp_path):
        yield Registry(POLICIES, timeout_s=IMPORT_S)


def home(*policies: tuple[str, dict]) -> Home:
    specs = tuple(PolicySpec(name=name, settings=settings) for name, settings in policies)
    return Home(id="h", user_id="u", timezone="Europe/Oslo", policies=specs)


def ask(policies: PolicySet, now=None):
    return asyncio.run(policies.terms(now or situation()))


LIMIT = ("price-limit", {"per_kwh": 0.5})


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "settings", "built"),
    [
        (ReadyBy, {"at": "07:30"}, ReadyBy(at=time(7, 30))),
        (ReadyBy, {"at": time(7, 30), "days": ["mon", "Tuesday"]}, ReadyBy(at=time(7, 30), days=frozenset({0, 1}))),
        (ReadyBy, {"at": "07:30", "days": ["sat-mon"]}, ReadyBy(at=time(7, 30), days=frozenset({5, 6, 0}))),
        (ReadyBy, {"at": "07:30", "days": "fri"}, ReadyBy(at=time(7, 30), days=frozenset({4}))),
        (ReadyBy, {"at": "07:30", "days": [0, 6]}, ReadyBy(at=time(7, 30), days=frozenset({0, 6}))),
        (
            ReadyBy,
            {"departures": [{"at": datetime(2026, 12, 24, 6), "soc_pct": 100}]},
            ReadyBy(departures=(Departure(at=datetime(2026, 12, 24, 6), soc_pct=100),)),
        ),
        (
            OffPeak,
            {"windows": [{"start": "22:00", "end": "06:00", "months": ["nov-feb"]}]},
            OffPeak(windows=(Recurring(start=time(22), end=time(6), months=frozenset({11, 12, 1, 2})),)),
        ),
        (Spot, {"source": "de", "vat_pct": 19}, Spot(source="de", vat_pct=19.0)),
    ],
)
def test_settings_become_values_of_the_field_types(cls, settings, built):
    assert build(cls, settings) == built


@pytest.mark.parametrize(
    ("cls", "settings", "problems"),
    [
        (ReadyBy, {"att": "07:30", "soc": 80}, [("att", "did you mean 'at'"), ("soc", "did you mean 'soc_pct'")]),
        (ReadyBy, {"at": "25:30"}, [("at", "valid time format")]),
        (ReadyBy, {"at": "07:30", "soc_pct": "80"}, [("soc_pct", "valid number")]),
        (ReadyBy, {"at": "07:30", "soc_pct": True}, [("soc_pct", "valid number")]),
        (ReadyBy, {"at": "07:30", "soc_pct": float("nan")}, [("soc_pct", "finite")]),
        (ReadyBy, {"at": "07:30", "soc_pct": 101}, [("", "at most 100")]),
        (ReadyBy, {"at": "07:30", "days": ["moon"]}, [("days", "none of mon, tue")]),
        (ReadyBy, {"at": 730, "days": 3}, [("at", "valid time"), ("days", "valid list")]),
        (Spot, {}, [("source", "is missing")]),
        (
            OffPeak,
            {"windows": [{"start": "22:00"}, {"from": "01:00", "to": "02:00"}]},
            [("windows[1].from", "unknown"), ("windows[1].to", "unknown")],
        ),
        (OffPeak, {"windows": [{"start": "late"}]}, [("windows[0].start", "valid time format")]),
    ],
)
def test_every_setting_that_does_not_fit_is_named_with_its_key(cls, settings, problems):
    with pytest.raises(SettingsError) as caught:
        build(cls, settings)
    assert [path for path, _ in caught.value.problems] == [path for path, _ in problems]
    for (_, said), (_, wanted) in zip(caught.value.problems, problems, strict=True):
        assert wanted in said


# --- the door ---------------------------------------------------------------------------------------------------------


def test_the_built_in_policies_come_through_the_same_door():
    found = {plugin.name: plugin for plugin in Registry(POLICIES).all()}
    wanted = {
        "ready-by",
        "minimum-soc",
        "off-peak",
        "quiet-hours",
        "price-limit",
        "opportunity",
        "flat",
        "time-of-use",
        "spot",
    }
    assert wanted <= set(found)
    assert {found[name].status for name in wanted} == {Status.READY}
    assert all(found[name].ours for name in wanted)


def test_a_third_party_policy_is_found_built_and_heard(registry):
    settings = {"at": "07:40", "distance_km": 18, "holidays": [date(2026, 1, 6)]}
    policies = PolicySet.of(home(("school-run", settings), LIMIT), registry)
    stated, set_aside = ask(policies)
    assert [(one.rank, one.policy) for one in stated] == [(0, "school-run"), (1, "price-limit")]
    by = datetime(2026, 1, 7, 6, 40, tzinfo=UTC)  # Wednesday: Tuesday is a holiday
    assert stated[0].term == Target(energy_kwh=3.6, by=by, why="school run")
    assert set_aside == ()
    assert not registry.plugin("school-run").ours


def test_a_second_policy_of_the_same_name_gets_a_name_of_its_own():
    specs = home(("ready-by", {"at": "07:00"}), ("ready-by", {"at": "17:00"}))
    stated, _ = ask(PolicySet.of(specs, Registry(POLICIES)))
    assert [one.policy for one in stated] == ["ready-by", "ready-by-2"]


def test_policies_that_cannot_be_built_are_named_all_at_once(registry):
    specs = home(("redy-by", {}), ("ready-by", {"at": "7 o'clock"}), ("refuses-settings", {"amount": 1}))
    with pytest.raises(ConfigError) as caught:
        PolicySet.of(specs, registry)
    unknown, wrong, refused = caught.value.problems
    assert "did you mean 'ready-by'" in unknown
    assert "home h, policy ready-by: at:" in wrong
    assert "no setting pleases me" in refused


# --- what is set aside at load ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("other-api", "version 2 of the plugin contract, this is version 1"),
        ("no-dataclass", "no dataclass"),
        ("no-method", "no method 'terms'"),
        ("missing", "raised AttributeError"),
        ("raises-on-import", "raised SystemExit: this module ends whoever imports it"),
        ("hangs-on-import", "did not come back"),
    ],
)
def test_a_plugin_that_cannot_load_is_set_aside_and_the_others_speak(registry, name, why):
    plugin = registry.plugin(name)
    assert plugin.status is Status.SET_ASIDE
    assert why in plugin.why
    stated, set_aside = ask(PolicySet.of(home((name, {}), LIMIT), registry))
    assert [one.policy for one in stated] == ["price-limit"]
    assert [why in said and said.startswith(f"{name}: ") for said in set_aside] == [True]


def test_a_stranger_cannot_take_the_name_of_a_built_in(registry):
    assert registry.plugin("flat").ours


def test_two_strangers_of_one_name_are_both_set_aside():
    points = [EntryPoint(name="twin", value=f"twin_{n}:Twin", group=POLICIES) for n in "ab"]
    plugin = Registry(POLICIES, points).plugin("twin")
    assert plugin.status is Status.SET_ASIDE
    assert "several packages" in plugin.why


# --- what is set aside while running ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("raises", "raised RuntimeError: no idea", id="G01"),
        pytest.param("exits", "raised SystemExit", id="exits"),
        pytest.param("stops-iterating", "raised StopIteration", id="stop-iteration"),
        pytest.param("mumbles", "its text cannot be read", id="unreadable-text"),
        pytest.param("never-ends", "more than 10000 terms", id="endless"),
        pytest.param("reaches-for-the-store", "no attribute 'store'", id="G04-store"),
        pytest.param("reaches-for-the-provider", "no attribute 'provider'", id="G04-provider"),
        pytest.param("changes-the-situation", "FrozenInstanceError", id="G04-changes"),
    ],
)
def test_a_policy_that_fails_is_set_aside_and_the_others_speak(registry, name, why):
    stated, set_aside = ask(PolicySet.of(home((name, {}), LIMIT), registry, timeout_s=GENEROUS_S))
    assert [one.policy for one in stated] == ["price-limit"]
    assert len(set_aside) == 1
    assert set_aside[0].startswith(f"{name}: ")
    assert why in set_aside[0]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("no-term", "a str, which is no term"),
        ("none", "a NoneType, which is no term"),
        ("nan", "PriceLimit.per_kwh is not finite"),
        ("infinite", "Opportunity.per_kwh is not finite"),
        ("text-for-number", "PriceLimit.per_kwh is a str"),
        ("bool-for-number", "PriceLimit.per_kwh is a bool"),
        ("naive", "Target.by is not an aware UTC instant"),
        ("far-past", "Run.interval.end lies too far in the past"),
        ("long-overdue", "Target.by lies too far in the past"),
        ("far-future", "Target.by lies too far in the future"),
        ("overlap", "overlap or are out of order"),
        ("disorder", "overlap or are out of order"),
        ("list-of-slots", "Price.slots is a list"),
        ("no-slot", "Price.slots holds a tuple"),
        ("no-interval", "Run.interval is a tuple"),
        ("negative-cost", "StartCost.amount is negative"),
        ("negative-dwell", "MinDwell.duration is negative"),
        ("number-for-text", "PriceLimit.why is a int"),
    ],
)
def test_nonsense_is_refused_with_the_member_that_holds_it(registry, kind, why):
    stated, set_aside = ask(PolicySet.of(home(("nonsense", {"kind": kind}), LIMIT), registry, timeout_s=GENEROUS_S))
    assert [one.policy for one in stated] == ["price-limit"]
    assert why in set_aside[0]


@pytest.mark.parametrize("name", ["hangs", "spins"])
async def test_a_policy_that_hangs_does_not_stop_the_loop(registry, name):
    policies = PolicySet.of(home((name, {}), LIMIT), registry, timeout_s=SHORT_S)
    asked = asyncio.ensure_future(policies.terms(situation()))
    turns = 0
    while not asked.done():
        turns += 1
        await asyncio.sleep(SHORT_S / 20)
    stated, set_aside = await asked
    assert turns > 2
    assert [one.policy for one in stated] == ["price-limit"]
    assert set_aside == (f"{name}: did not come back within 0.1 s",)


async def test_a_policy_that_is_stuck_is_not_begun_again(registry):
    policies = PolicySet.of(home(("hangs", {})), registry, timeout_s=SHORT_S)
    await policies.terms(situation())
    _, set_aside = await policies.terms(situation())
    assert set_aside == ("hangs: has not come back from an earlier call",)


def test_virtual_time_stands_still_while_a_stranger_thinks(registry):
    policies = PolicySet.of(home(("hangs", {}), LIMIT), registry, timeout_s=SHORT_S)

    async def passed_s() -> float:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(1e-3, lambda: None)
        before = loop.time()
        await policies.terms(situation())
        timer.cancel()
        return loop.time() - before

    assert run_virtual(passed_s, start_at=AT) == 0


def test_a_policy_that_keeps_failing_is_not_asked_again(registry):
    policies = PolicySet.of(home(("limps", {}), LIMIT), registry, timeout_s=GENEROUS_S)
    odd, even = situation(at=AT), situation(at=AT + timedelta(hours=1))
    for _ in range(PATIENCE - 1):
        ask(policies, odd)
    stated, set_aside = ask(policies, even)  # a good answer makes up for all before
    assert next(one.term for one in stated) == PriceLimit(per_kwh=0.1)
    assert set_aside == ()
    for _ in range(PATIENCE):
        ask(policies, odd)
    stated, set_aside = ask(policies, even)
    assert [one.policy for one in stated] == ["price-limit"]
    assert "not asked again until the configuration is reloaded" in set_aside[0]
    again, _ = ask(PolicySet.of(home(("limps", {}), LIMIT), registry), even)
    assert [one.policy for one in again] == ["limps", "price-limit"]


def test_a_built_in_that_raises_is_set_aside_too():
    policies = PolicySet.of(home(("spot", {"source": "spot"}), LIMIT), Registry(POLICIES))
    stated, set_aside = ask(policies, situation(prices=[market(1, start=AT, currency="SEK")]))
    assert [one.policy for one in stated] == ["price-limit"]
    assert "SEK, the home reckons in EUR" in set_aside[0]


def test_a_stranger_is_given_values_and_nothing_that_acts():
    """G04: whatever a policy can reach from the situation is a plain value of the core's."""
    now = dataclasses.replace(situation(prices=[market(1, start=AT)]), home=home(("flat", {"per_kwh": 1, "key": "s3"})))
    shown = for_strangers(now)
    assert shown.home.policies == ()
    plain = (str, int, float, bool, type(None), datetime, timedelta, Enum)
    waiting = [shown]
    while waiting:
        value = waiting.pop()
        if dataclasses.is_dataclass(value):
            assert type(value).__module__.startswith("scheduler.core.")
            waiting.extend(getattr(value, field.name) for field in dataclasses.fields(value))
        elif isinstance(value, tuple):
            waiting.extend(value)
        else:
            assert isinstance(value, plain)


# --- price sources ----------------------------------------------------------------------------------------------------


class _Source:
    def __init__(self, answer):
        self.answer = answer

    async def fetch(self, span, *, at, web):
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer == "never":
            await asyncio.Event().wait()
        return self.answer


NO_WEB: Any = None
SPAN = Interval(start=AT, end=AT + timedelta(days=1))


async def test_a_feed_gives_its_own_name_to_the_prices():
    series = await PriceFeed(name="oslo", source=_Source(market(0.1, start=AT)), web=NO_WEB).fetch(SPAN, at=AT)
    assert series.name == "oslo"


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (PricesNotPublished("too early"), PricesNotPublished, "too early"),
        (RuntimeError("boom"), PricesUnavailable, "RuntimeError: boom"),
        ("never", PricesUnavailable, "no answer within 0.01 s"),
        ({"price": 1}, PricesUnavailable, "returned a dict"),
    ],
)
async def test_a_source_that_fails_leaves_one_family_of_errors(answer, error, why):
    with pytest.raises(error, match=why):
        await PriceFeed(name="oslo", source=_Source(answer), web=NO_WEB, timeout_s=0.01).fetch(SPAN, at=AT)


async def test_slots_that_overlap_are_refused():
    series = market(0.1, 0.2, start=AT)
    twisted = dataclasses.replace(series, slots=series.slots[::-1])
    with pytest.raises(PricesUnavailable, match="out of order"):
        await PriceFeed(name="oslo", source=_Source(twisted), web=NO_WEB).fetch(SPAN, at=AT)


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        ({"slots": ()}, PricesNotPublished, "no slot"),
        ({"slots": (1, 2)}, PricesUnavailable, "slots"),
        ({"slots": None}, PricesUnavailable, "slots"),
        ({"currency": None}, PricesUnavailable, "currency"),
        ({"zone": None}, PricesUnavailable, "zone"),
    ],
)
async def test_a_series_without_sense_leaves_the_same_family_of_errors(changes, error, why):
    odd = dataclasses.replace(market(0.1, start=AT), **changes)
    with pytest.raises(error, match=why):
        await PriceFeed(name="oslo", source=_Source(odd), web=NO_WEB).fetch(SPAN, at=AT)


async def test_it_is_not_the_source_that_says_when_it_was_asked():
    odd = dataclasses.replace(market(0.1, start=AT), fetched_at=datetime(2090, 1, 1))
    series = await PriceFeed(name="oslo", source=_Source(odd), web=NO_WEB).fetch(SPAN, at=AT)
    assert series.fetched_at == AT


def test_the_file_source_is_installed():
    assert Registry(PRICE_SOURCES).plugin("file").ours
