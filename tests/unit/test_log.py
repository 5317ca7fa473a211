import base64
import io
import json
import logging
from dataclasses import dataclass
from urllib.parse import quote

import pytest
import structlog
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.web import RequestPayloadError

from scheduler.config import Log
from scheduler.log import set_up
from scheduler.redaction import HIDDEN, Redactor

SECRET = 'pa"ss\\wörd/+=&canary'


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def put_back():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in ("aiohttp.access", "apscheduler", "alembic")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def lines(stream) -> list[str]:
    return stream.getvalue().splitlines()


def configured(stream=None, **voice):
    stream = stream or io.StringIO()
    set_up(Log(**voice), secrets=[SECRET], stream=stream)
    return stream


def test_lines_are_json_where_nobody_looks():
    stream = configured()
    structlog.get_logger().info("decision.made", command="start", soc_pct=41, missing_kwh=29.3)
    (line,) = lines(stream)
    event = json.loads(line)
    assert event.pop("at").endswith("Z")
    assert event == {
        "event": "decision.made",
        "level": "info",
        "command": "start",
        "soc_pct": 41,
        "missing_kwh": 29.3,
    }


def test_lines_are_for_people_at_a_terminal():
    stream = configured(Terminal())
    structlog.get_logger().info("decision.made", command="start")
    assert "decision.made" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("console", False)])
def test_the_form_can_be_chosen(form, is_json):
    stream = configured(Terminal() if form == "json" else io.StringIO(), form=form)
    structlog.get_logger().info("decision.made")
    assert stream.getvalue().startswith("{") == is_json


def test_the_level_holds_for_us_and_for_libraries():
    stream = configured(level="warning")
    structlog.get_logger().info("too.quiet")
    logging.getLogger("library").info("too quiet")
    logging.getLogger("library").warning("loud: %s", "yes")
    assert [json.loads(line)["event"] for line in lines(stream)] == ["loud: yes"]


def test_configuring_again_replaces_what_was():
    first = configured()
    second = configured(level="debug")
    structlog.get_logger().debug("once")
    assert (lines(first), len(lines(second))) == ([], 1)


@dataclass
class Holder:
    key: str


FORMS = {
    "raw": SECRET,
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "inside-basic": base64.b64encode(f"client:{SECRET}".encode()).decode(),
    "url": quote(SECRET, safe=""),
    "hex": SECRET.encode().hex(),
}


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("disguise", FORMS)
def test_no_secret_comes_through_in_any_disguise(form, disguise):
    """S19, Z04."""
    shown = FORMS[disguise]
    stream = configured(form=form)
    log = structlog.get_logger()
    event = f"event {shown}"
    log.info(event, text=shown, nested={"a": [shown, {"b": shown}], shown: 1}, raw=shown.encode())
    log.info("holder", holder=Holder(key=shown), tuple=(shown,), error=ValueError(shown))
    logging.getLogger("library").warning("failed: %s", shown)
    try:
        {}[f"https://example.org/?token={shown}"]
    except KeyError:
        log.exception("provider.failed")
        logging.getLogger("library").exception("provider failed")
    said = stream.getvalue()
    needle = shown[10:-8] if disguise == "inside-basic" else shown  # what stands around it there is not the secret's
    for written in (needle, repr(needle)[1:-1], json.dumps(needle)[1:-1], json.dumps(needle, ensure_ascii=False)[1:-1]):
        assert written not in said
    assert said.count(HIDDEN) >= 10


def test_a_secret_learned_later_is_hidden_too():
    redactor, stream = Redactor(), io.StringIO()
    set_up(Log(), redactor=redactor, stream=stream)
    redactor.add_passing("token-of-this-hour")
    structlog.get_logger().info("sent", header="Bearer token-of-this-hour")
    assert json.loads(stream.getvalue())["header"] == f"Bearer {HIDDEN}"


def test_where_somebody_lives_is_not_logged():
    stream = configured()
    structlog.get_logger().info("home.seen", latitude=59.91, longitude=10.75)
    assert "59.91" not in stream.getvalue()
    assert "10.75" not in stream.getvalue()


def bad_request(*, level: str) -> list[str]:
    """Have the HTTP server tell of a malformed request and of a fault of ours; return what was logged."""
    stream = configured(level=level)
    for error in (BadHttpMessage("no header"), RequestPayloadError("not deflate"), ValueError("ours")):
        logging.getLogger("aiohttp.server").error("Error handling request", exc_info=error)
    return [json.loads(line)["exception"].splitlines()[-1] for line in lines(stream)]


def test_malformed_requests_cannot_fill_the_log():
    assert bad_request(level="info") == ["ValueError: ours"]
    assert len(bad_request(level="debug")) == 3
