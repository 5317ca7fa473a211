"""No secret in any text."""

import base64
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.redaction import HIDDEN, Redactor, forms_of

SECRET = "s3cret/with+odd=signs ä&?"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)
def test_a_secret_is_hidden_in_every_form(form):
    text = Redactor([SECRET])(f"GET /x?token={form}&y=1 failed")
    assert form not in text
    assert HIDDEN in text
    assert text.startswith("GET /x?token=")
    assert text.endswith("failed")


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_a_secret_is_hidden_inside_a_longer_base64_text(before, after):
    secret = b"0123456789abcdef0123456789abcdef"
    text = base64.b64encode(before + secret + after).decode()
    hidden = Redactor([secret.decode()])(text)
    kept = hidden.replace(HIDDEN, "")
    assert HIDDEN in hidden
    assert len(kept) <= len(text) - 40  # what is left is of the bytes around it, and two characters shared with them


def test_a_short_text_is_no_secret():
    assert Redactor(["", "abc"])("abc") == "abc"
    assert Redactor()("plain") == "plain"


def test_secrets_are_learnt_and_the_passing_ones_forgotten():
    redact = Redactor(["first-secret"])
    redact.add("second-secret")
    for number in range(10):
        redact.add_passing(f"passing-{number:03}")
    redact.add_passing("passing-009")
    text = redact("first-secret second-secret passing-000 passing-009")
    assert text == f"{HIDDEN} {HIDDEN} passing-000 {HIDDEN}"


def test_a_secret_is_never_a_pattern():
    assert Redactor([".*.*"])("plain text") == "plain text"
    assert set(forms_of(".*.*")) >= {".*.*", "2e2a2e2a"}
