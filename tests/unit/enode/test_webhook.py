"""Signatures and the inbox rows that a delivery becomes."""

import hashlib
import hmac
import json

import pytest

from scheduler.enode.webhook import (
    Refused,
    WebhookCounters,
    check_secrets,
    inbound_of,
    is_signed,
    signature_of,
    webhook_app,
)
from tests.web_support import RECEIVED

SECRET = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"
OLD = b"another-secret-of-32-characters!"
BODY = b'[{"event":"enode:webhook:test"}]'


def test_every_published_vector_is_right(reference_dir):
    folder = reference_dir / "enode-examples"
    vectors = json.loads((folder / "webhook-signature-vectors.json").read_bytes())
    for vector in vectors:
        body = (folder / vector["body_file"]).read_bytes() if "body_file" in vector else vector["body"].encode()
        secret = vector["secret"].encode()
        assert signature_of(body, secret) == vector["x-enode-signature"]
        assert is_signed(body, vector["x-enode-signature"], [secret])
        assert not is_signed(body + b" ", vector["x-enode-signature"], [secret])
    assert len(vectors) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda _s: "",
        lambda _s: "sha1=",
        lambda s: s[:-1],
        lambda s: s + "0",
        lambda s: s.upper(),
        lambda s: "sha1=" + s[5:].upper(),
        lambda s: "SHA1=" + s[5:],
        lambda s: s[5:],
        lambda s: "sha256=" + s[5:],
        lambda _s: "sha256=" + hmac.new(SECRET, BODY, hashlib.sha256).hexdigest(),
        lambda s: " " + s,
        lambda _s: "sha1=" + "0" * 40,
        lambda s: "sha1=é" + s[6:],
        lambda s: "sha1=\udcff" + s[6:],
        lambda _s: signature_of(BODY, b""),
        lambda _s: signature_of(BODY, SECRET + b"x"),
    ],
)
def test_no_other_signature_passes(change):
    good = signature_of(BODY, SECRET)
    assert is_signed(BODY, good, [SECRET])
    assert not is_signed(BODY, change(good), [SECRET])


def test_both_secrets_pass_while_one_takes_over():
    for secret in (SECRET, OLD):
        assert is_signed(BODY, signature_of(BODY, secret), [SECRET, OLD])
    assert not is_signed(BODY, signature_of(BODY, OLD), [SECRET])
    assert not is_signed(BODY, signature_of(BODY, OLD), [])


@pytest.mark.parametrize("secrets", [[], [b""], [b"x" * 15], [SECRET, b"short"]])
def test_it_does_not_listen_without_a_good_secret(secrets):
    async def sink(_rows):
        return 0

    with pytest.raises(ValueError, match="secret"):
        check_secrets(secrets)
    with pytest.raises(ValueError, match="secret"):
        webhook_app(secrets=lambda: secrets, sink=sink, stamp=lambda: RECEIVED)


def inbox(body):
    counters = WebhookCounters()
    return inbound_of(body, received=RECEIVED, counters=counters), counters


def test_a_batch_becomes_rows_with_their_raw_bytes():
    first = b'{"event": "user:vehicle:updated",  "user": {"id": "u"}, "vehicle": {"id": "v", "chargeState": {}}}'
    second = b'{"event":"user:vendor-action:updated","user":{"id":"u"},"vendorAction":{"targetId":"w","targetType":"vehicle"}}'
    third = b'{"event":"system:heartbeat"}'
    rows, counters = inbox(b"[" + b",".join([first, second, third]) + b"]")
    assert [(r.kind, r.user_id, r.vehicle_id, r.payload) for r in rows] == [
        ("event", "u", "v", first),
        ("event", "u", "w", second),
        ("event", "", None, third),
    ]
    assert all(row.received == RECEIVED for row in rows)
    assert counters.events == 3


def test_the_key_is_of_the_content():
    one, _ = inbox(b'[{"event":"system:heartbeat","createdAt":"2026-11-21T10:05:00.000Z"}]')
    same, _ = inbox(b'[ {"createdAt":"2026-11-21T10:05:00.000Z", "event":"system:heartbeat"} ]')
    other, _ = inbox(b'[{"event":"system:heartbeat","createdAt":"2026-11-21T10:10:00.000Z"}]')
    assert one[0].key == same[0].key
    assert one[0].key != other[0].key
    assert len(one[0].key) == 64


def test_unknown_events_and_versions_are_counted_and_the_rest_applies():
    rows, counters = inbox(
        json.dumps(
            [
                {"event": "user:something:new"},
                {"event": "user:vehicle:updated", "version": "2031-01-01"},
                {"event": None},
                {"event": 5},
                7,
                "x",
                None,
                {"event": "system:heartbeat"},
            ]
        ).encode()
    )
    assert [row.payload for row in rows] == [b'{"event": "system:heartbeat"}']
    assert counters.ignored == {"user:something:new": 1, "user:vehicle:updated": 1, "without a name": 2}
    assert counters.unreadable == 3


def test_names_that_somebody_makes_up_do_not_fill_the_memory():
    counters = WebhookCounters()
    for start in range(0, 1000, 100):
        body = json.dumps([{"event": f"made-up-{n}" * 50} for n in range(start, start + 100)]).encode()
        inbound_of(body, received=RECEIVED, counters=counters)
    assert len(counters.ignored) <= 101
    assert sum(counters.ignored.values()) == 1000
    assert max(map(len, counters.ignored)) <= 100


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"[", b"[1", b"\xff\xfe", b'"x"', b"[" * 100_000, json.dumps([{}] * 101).encode()],
)
def test_what_is_no_array_of_up_to_100_is_refused(body):
    with pytest.raises(Refused) as caught:
        inbox(body)
    assert caught.value.status == 400


def test_members_of_a_wrong_type_leave_the_event_in_the_inbox():
    rows, _ = inbox(b'[{"event":"user:vehicle:updated","user":"u","vehicle":{"id":5}}]')
    assert [(row.user_id, row.vehicle_id) for row in rows] == [("", None)]
