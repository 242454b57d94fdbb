"""Whatever bytes come in: an answer or a close, never a crash, never unbounded memory."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("BROKER_EXAMPLES", "300"))
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
ANSWERS = {0, 1, 2, 4, 6, 8, 9, 11, 13, 14, 15, 16, 21, 23}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from(
        [0, 1, 2, 5, "c", "", "*", ":", "[?rewind=1]c", "c\n", "json", "base64", "😀"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
message = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("id", "name", "data", "encoding", "clientId", "extras", "serial", "action", "version"),
        values,
    ),
)
item = message | values
frame = st.fixed_dictionaries(
    {"action": st.integers(-1, 24) | values},
    optional={
        "channel": st.sampled_from(["c", "d"]) | values,
        "channelSerial": values,
        "msgSerial": st.integers(0, 5) | values,
        "flags": values,
        "params": values | st.dictionaries(st.sampled_from(["rewind", "modes", "echo"]), values),
        "messages": st.lists(item, max_size=3) | values,
        "presence": st.lists(item, max_size=3) | values,
        "annotations": st.lists(item, max_size=3) | values,
        "auth": values,
        "id": values,
    },
)


def as_json(value: Any) -> str | None:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        return None


def feed(world: Any, payloads: list[str | bytes]) -> None:
    for payload in payloads:
        peer = world.connect(
            clientId="x", format="msgpack" if isinstance(payload, bytes) else "json"
        )
        peer.attach("c")
        peer.session.receive(payload)
        for answer in peer.frames():
            assert answer["action"] in ANSWERS
            if answer["action"] in (2, 9):
                assert {"code", "statusCode", "message"} <= answer["error"].keys()
        if not peer.is_closed:
            peer.send(0, id="alive")
            assert peer.frames(0) == [{"action": 0, "id": "alive"}]
        peer.send(7)
        peer.session.lost()
    world.advance(200_000)
    assert world.broker.connections == {}
    watcher = world.connect()
    watcher.attach("c", params={"rewind": "100"})
    assert all(f["action"] in ANSWERS for f in watcher.early)


@SETTINGS
@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text(new_world, texts):
    feed(new_world(), texts)


@SETTINGS
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes(new_world, blobs):
    feed(new_world(), blobs)


@SETTINGS
@given(st.lists(frame, max_size=5))
def test_wrong_types_in_every_field(new_world, frames):
    texts = [text for text in map(as_json, frames) if text is not None]
    feed(new_world(), [*texts, *map(msgspec.msgpack.encode, frames)])


def test_deep_and_huge_values(new_world):
    deep = "[" * 100_000 + "]" * 100_000
    nested = '{"a":' * 400 + "1" + "}" * 400
    texts = [
        deep,
        f'{{"action":15,"channel":"c","msgSerial":0,"messages":[{{"data":{deep}}}]}}',
        f'{{"action":15,"channel":"c","msgSerial":0,"messages":[{{"extras":{nested}}}]}}',
        '{"action":15,"channel":"c","msgSerial":0,"messages":[' + ",".join(["{}"] * 5000) + "]}",
        '{"action":15,"channel":"c","msgSerial":0,"messages":[{"data":"' + "x" * 1_000_000 + '"}]}',
        '{"action":15,"channel":"c","msgSerial":1e999,"messages":[{}]}',
        '{"action":15,"channel":"c","msgSerial":99999999999999999999,"messages":[{}]}',
        '{"action":15,"channel":"c","msgSerial":0,"messages":[{"extras":{"n":99999999999999999999}}]}',
        '{"action":15,"channel":"c","msgSerial":0,"messages":[{"data":"\\ud800"}]}',
        '{"action":10,"channel":"' + "c" * 100_000 + '"}',
    ]
    feed(
        new_world(),
        [*texts, b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff", b"\xc9\x00\x00\x00\x01\x05x"],
    )


def test_hostile_clients_leave_no_memory_behind(new_world):
    world = new_world()
    app = world.broker.apps["app"]
    for number in range(2000):
        peer = world.connect(clientId="x")
        peer.send(10, channel=f":{number}")
        peer.send(15, channel=f":{number}", msgSerial=0, messages=[{"data": 1}])
        peer.session.receive("{")
        peer.session.lost()
    world.advance(200_000)
    assert (app.channels, world.broker.connections) == ({}, {})
    assert len(world.broker.timers._heap) < 2000
