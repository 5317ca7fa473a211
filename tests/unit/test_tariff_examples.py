"""The ready-made tariffs of docs/tariffs: each loads as it stands, and comes to what a bill would say."""

import re
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from policies.tariff.parts import Tariff, total
from scheduler.config import installed, load, policy_sets, warnings
from scheduler.core.calendar import local_days, local_instant
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Home, Situation, VehicleSpec
from scheduler.core.observation import Observation
from scheduler.core.terms import Price, PriceSlot, billed, of_type

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "tariffs"
FILES = sorted(path.name for path in FOLDER.glob("*.toml"))

MONDAY = date(2026, 1, 12)
SUMMER = date(2026, 7, 7)  # a Tuesday
PEAK, NIGHT, NOON = time(17), time(2), time(13)
QUARTER = timedelta(minutes=15)


class Paid(NamedTuple):
    """What an hour comes to: the four quarters of the market from `hour` on, and what is paid in the first of them."""

    day: date
    hour: time
    quarters: tuple[float, float, float, float]
    per_kwh: float


class Example(NamedTuple):
    timezone: str
    currency: str
    paid: tuple[Paid, ...]


def same(price: float) -> tuple[float, float, float, float]:
    return (price,) * 4


EXAMPLES = {
    "norway.toml": Example(
        "Europe/Oslo",
        "NOK",
        (
            # hours are billed, at (1.7 + 1.9 + 2.1 + 2.3) / 4 = 2.0; VAT on it alone: 2.5 + 0.05 + 0.16 + 0.1016
            Paid(MONDAY, PEAK, (1.7, 1.9, 2.1, 2.3), 2.8116),
            Paid(MONDAY, NIGHT, same(0.6), 0.9816),  # 0.75 + 0.05 + 0.08 + 0.1016
            Paid(SUMMER, NOON, same(0.2), 0.5366),  # 0.25 + 0.05 + 0.135 + 0.1016
            Paid(SUMMER, NIGHT, same(0.2), 0.4691),  # 0.25 + 0.05 + 0.0675 + 0.1016
        ),
    ),
    "sweden.toml": Example(
        "Europe/Stockholm",
        "SEK",
        (
            Paid(MONDAY, PEAK, (1.5, 0.0, 0.0, 0.0), 3.165),  # (1.5 + 0.06 + 0.612 + 0.36) * 1.25: quarters are billed
            Paid(MONDAY, NIGHT, same(0.4), 1.33),  # (0.4 + 0.06 + 0.244 + 0.36) * 1.25
            Paid(SUMMER, PEAK, same(0.4), 1.33),
        ),
    ),
    "denmark.toml": Example(
        "Europe/Copenhagen",
        "DKK",
        (
            Paid(MONDAY, PEAK, same(1.0), 2.41625),  # (1 + 0.145 + 0.78 + 0.008) * 1.25
            Paid(MONDAY, NIGHT, same(0.3), 0.67875),  # (0.3 + 0.145 + 0.09 + 0.008) * 1.25
            Paid(SUMMER, NOON, same(-0.2), 0.10375),  # (-0.2 + 0.145 + 0.13 + 0.008) * 1.25
        ),
    ),
    "germany.toml": Example(
        "Europe/Berlin",
        "EUR",
        (
            Paid(MONDAY, PEAK, same(0.2), 0.498134),  # (0.2 + 0.015 + 0.14 + 0.0636) * 1.19
            Paid(MONDAY, NIGHT, same(0.05), 0.176834),  # (0.05 + 0.015 + 0.02 + 0.0636) * 1.19
            Paid(SUMMER, NIGHT, same(0.05), 0.248234),  # (0.05 + 0.015 + 0.08 + 0.0636) * 1.19
        ),
    ),
    "austria.toml": Example(
        "Europe/Vienna",
        "EUR",
        (
            Paid(MONDAY, PEAK, (0.15, 0.2, 0.2, 0.25), 0.3696),  # (0.2 + 0.021 + 0.071 + 0.016) * 1.2
            Paid(MONDAY, NIGHT, same(0.05), 0.1842),  # (0.05 + 0.0165 + 0.071 + 0.016) * 1.2
            Paid(SUMMER, NOON, same(-0.1), -0.0096),  # (-0.1 + 0.018 + 0.058 + 0.016) * 1.2
        ),
    ),
    "netherlands.toml": Example(
        "Europe/Amsterdam",
        "EUR",
        (
            Paid(MONDAY, PEAK, (0.1, 0.2, 0.2, 0.3), 0.3751),  # (0.2 + 0.02 + 0.09) * 1.21
            Paid(MONDAY, NIGHT, same(0.05), 0.1936),  # (0.05 + 0.02 + 0.09) * 1.21
        ),
    ),
    "great-britain-agile.toml": Example(
        "Europe/London", "GBP", (Paid(MONDAY, PEAK, same(0.35), 0.35), Paid(MONDAY, NIGHT, same(0.12), 0.12))
    ),
    "great-britain-go.toml": Example(
        "Europe/London", "GBP", (Paid(MONDAY, PEAK, same(0.28), 0.28), Paid(MONDAY, NIGHT, same(0.085), 0.085))
    ),
    "great-britain-fixed.toml": Example(
        "Europe/London", "GBP", (Paid(MONDAY, PEAK, same(300.0), 0.257), Paid(MONDAY, NIGHT, same(90.0), 0.257))
    ),
    "australia.toml": Example(
        "Australia/Sydney", "AUD", (Paid(SUMMER, PEAK, same(0.55), 0.55), Paid(SUMMER, NIGHT, same(0.18), 0.18))
    ),
    "illinois.toml": Example(
        "America/Chicago",
        "USD",
        (
            Paid(MONDAY, PEAK, same(0.06), 0.198),  # 0.06 + 0.019 + 0.107 + 0.012
            Paid(MONDAY, NIGHT, same(0.02), 0.081),  # 0.02 + 0.019 + 0.03 + 0.012
            Paid(MONDAY, time(20), same(0.02), 0.091),  # 0.02 + 0.019 + 0.04 + 0.012
        ),
    ),
}
CASES = [
    pytest.param(name, one, id=f"{name}-{one.day:%b}-{one.hour:%H}") for name, e in EXAMPLES.items() for one in e.paid
]


@pytest.fixture
def home_with(tmp_path):
    """Load an example pasted below a home of its country, whose car charges slowly, and return the settings."""

    def home_with(name: str):
        example = EXAMPLES[name]
        path = tmp_path / "kwhen.toml"
        path.write_text(
            '[enode]\nenvironment = "sandbox"\nclient_id = "me"\n'
            f'[[home]]\nid = "h"\nuser_id = "u"\nlocation_id = "l"\ntimezone = "{example.timezone}"\n'
            f'currency = "{example.currency}"\n[[home.vehicle]]\nid = "v"\ncharge_power_kw = 3.6\n'
            '[[home.policy]]\nname = "ready-by"\nat = "07:00"\n' + (FOLDER / name).read_text()
        )
        sources = tomllib.loads(path.read_text())["prices"]
        tokens = {f"KWHEN_PRICES_SECRET__{one['name'].upper()}": "a-token-of-no-account" for one in sources}
        return load(path, {"KWHEN_ENODE__CLIENT_SECRET": "of-no-account", "HOME": str(tmp_path), **tokens})

    return home_with


def made_up(home: Home, one: Paid, sources: dict[str, str]) -> dict[str, PriceSeries]:
    """Return a day of quarters at 0.1 in each source's currency, with those of the case in their place."""
    start = local_instant(one.day, one.hour, home.timezone)
    day = local_days(start, timedelta(0), home.timezone)
    slots = []
    at = day.start
    while at < day.end:
        place = (at - start) // QUARTER
        price = one.quarters[place] if 0 <= place < len(one.quarters) else 0.1
        slots.append(PriceSlot(start=at, end=at + QUARTER, per_kwh=price))
        at += QUARTER
    return {
        name: PriceSeries(name=name, currency=currency, slots=tuple(slots), fetched_at=day.start)
        for name, currency in sources.items()
    }


def test_every_example_is_tried_and_listed():
    assert sorted(EXAMPLES) == FILES
    text = (FOLDER / "index.md").read_text()
    assert [name for name in FILES if f"]({name})" not in text] == []


@pytest.mark.parametrize("name", FILES)
def test_an_example_loads_below_a_home_and_leaves_no_doubt(home_with, name):
    assert warnings(home_with(name), at=datetime(2026, 1, 1, tzinfo=UTC)) == ()


@pytest.mark.parametrize("name", FILES)
def test_a_reader_is_told_what_to_replace(name):
    """Every amount says that it is an example; the percentage of VAT alone is the country's, as hours of a rule are."""
    lines = (FOLDER / name).read_text().splitlines()
    amounts = [line for line in lines if re.search(r"(per_kwh|per_tonne|surcharge_pct|capacity_kw) = -?\d", line)]
    assert [line for line in amounts if "# example" not in line] == []
    example = EXAMPLES[name]
    about = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
    assert f'timezone = "{example.timezone}"' in about
    assert f'currency = "{example.currency}"' in about
    assert "What is marked `example` is yours to replace" in about


@pytest.mark.parametrize(("name", "one"), CASES)
async def test_an_example_comes_to_what_is_paid(home_with, name, one):
    settings = home_with(name)
    (home,) = settings.homes
    carbon = {spec.name for spec in settings.prices if spec.source == "carbon-intensity-gb"}
    currencies = {spec.name: "gCO2" if spec.name in carbon else home.currency for spec in settings.prices}
    prices = made_up(home, one, currencies)
    at = local_instant(one.day, one.hour, home.timezone)
    situation = Situation(
        at=at, mono_ns=0, run=1, home=home, vehicle=VehicleSpec(id="v"), observation=Observation(),
        prices=tuple(prices.values()),
    )  # fmt: skip
    policies = policy_sets(settings, installed())[home.id]
    stated, set_aside = await policies.terms(situation)
    assert set_aside == ()
    (price,) = billed(stated)
    (slot,) = [slot for slot in price.slots if slot.start <= at < slot.end]
    assert slot.per_kwh == pytest.approx(one.per_kwh, abs=1e-9)
    assert slot.published
    assert [term for term in of_type(stated, Price) if term.billed] == [price]
    (tariff,) = [one for one in _policies(home) if hasattr(one, "parts_at")]
    assert total(tariff.parts_at(prices, at, home.timezone)) == slot.per_kwh


def _policies(home: Home) -> list[Tariff]:
    registry = installed().policies
    return [registry.plugin(spec.name).build(spec.settings) for spec in home.policies]
