import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from scheduler.http import chart
from scheduler.http.daemon import vehicle_called
from scheduler.http.overview import commands_of, plan_of, status_of
from scheduler.http.status_page import HEADERS, render
from tests.fakes_daemon import POLLY, a_failed_start, make_daemon


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


async def page(daemon):
    status = await status_of(daemon)
    details = {}
    for vehicle in (v for home in status["homes"] for v in home["vehicles"]):
        plan = plan_of(daemon, vehicle_called(daemon, vehicle["id"]))
        details[vehicle["id"]] = {"plan": plan, "commands": await commands_of(daemon, vehicle["id"])}
    return render(status, details)


async def test_it_shows_cars_reasons_plans_commands_and_alerts():
    text = await page(make_daemon())
    for shown in (
        "Polly",
        "41 %",
        "cheapest 2 h 40 min before 07:30",
        "0.400 NOK",
        "NO_RESPONSE",
        "Alerts",
        "NO_PAUSE",
    ):
        assert shown in text


async def test_it_does_not_repeat_a_verdict_that_the_sentence_tells():
    text = await page(make_daemon())
    assert text.lower().count("plugged in at a charger that is not the home") == 1
    assert "Plugged in at the home&#x27;s charger and location." in text


async def test_every_word_from_outside_is_escaped():
    text = await page(make_daemon())
    assert "Rover &lt;3&gt;" in text
    assert "Resuming &lt;failed&gt;." in text
    assert "<3>" not in text


async def test_a_name_cannot_become_an_element_or_an_attribute():
    daemon = make_daemon()
    nasty = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
    home = daemon.home_list[0]
    object.__setattr__(home.vehicles[0], "name", nasty)
    object.__setattr__(home, "id", nasty)
    failure = a_failed_start()
    object.__setattr__(failure.failure, "detail", nasty)
    daemon.store.command_rows = [failure]
    tags = Tags()
    tags.feed(await page(daemon))
    assert not {"script", "img"} & set(tags.tags)
    assert not [name for name, _ in tags.attributes if name.startswith("on")]


async def test_it_needs_nothing_from_elsewhere_and_its_style_is_the_one_allowed():
    text = await page(make_daemon())
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert b64encode(sha256(style[1].encode()).digest()).decode() in HEADERS["Content-Security-Policy"]
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "style=" not in text


def test_the_chart_is_xml_with_a_bar_for_each_price_and_slot():
    daemon = make_daemon()
    root = ET.fromstring(chart.svg(plan_of(daemon, vehicle_called(daemon, POLLY))))
    kinds = [rect.get("class") for rect in root.iter("rect")]
    assert kinds.count("charge") == 3
    assert kinds.count("price") == 10
    assert [line.get("class") for line in root.iter("line")] == ["axis", "due", "now"]


def test_the_chart_keeps_negative_prices_below_the_zero_line():
    daemon = make_daemon()
    plan = plan_of(daemon, vehicle_called(daemon, POLLY))
    plan["prices"][5]["price_per_kwh"] = -0.5
    root = ET.fromstring(chart.svg(plan))
    axis = next(line for line in root.iter("line") if line.get("class") == "axis")
    zero = float(axis.get("y1"))
    bars = [rect for rect in root.iter("rect") if rect.get("class") == "price"]
    below = [rect for rect in bars if float(rect.get("y")) >= zero - 0.1]
    assert len(below) == 1


def test_a_plan_without_prices_is_still_drawn():
    daemon = make_daemon()
    plan = plan_of(daemon, vehicle_called(daemon, POLLY))
    plan |= {"prices": []}
    for slot in plan["slots"]:
        slot["price_per_kwh"] = None
    assert chart.svg(plan).count('class="charge"') == 3
    assert chart.svg(plan | {"slots": []}) == ""
