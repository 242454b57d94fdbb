from __future__ import annotations


def appended(peer, serial, msg_serial, data, **fields):
    peer.send(
        15,
        channel="c",
        msgSerial=msg_serial,
        messages=[{"action": 5, "serial": serial, "data": data, **fields}],
    )


def start(world, **query):
    alice, bob = world.connect(appendRollupWindow="40", **query), world.connect()
    bob.attach("c")
    serials = [alice.publish("c", {"data": name})[0] for name in "xy"]
    bob.frames()
    return alice, bob, serials


def data(peer):
    return [frame["messages"][0].get("data") for frame in peer.frames(15)]


def test_the_first_append_goes_at_once_and_the_rest_of_the_window_as_one(world):
    alice, bob, (serial, _) = start(world)
    for number in range(5):
        appended(alice, serial, number + 2, str(number))
    assert data(bob) == ["0"]
    assert [f["msgSerial"] for f in alice.frames()] == [2]
    world.advance(40)
    assert data(bob) == ["1234"]
    answers = alice.frames()
    assert [f["msgSerial"] for f in answers] == [3, 4, 5, 6]
    *joined, last = [f["res"][0]["serials"][0] for f in answers]
    assert joined == [None, None, None]
    assert last > serial
    appended(alice, serial, 7, "5")
    assert data(bob) == []
    world.advance(40)
    assert data(bob) == ["5"]
    world.advance(100)
    appended(alice, serial, 8, "6")
    assert data(bob) == ["6"]


def test_answers_keep_the_order_of_frames_over_several_messages(world):
    alice, bob, (x, y) = start(world)
    for number, serial in enumerate([x, x, y, y, x]):
        appended(alice, serial, number + 2, str(number))
    assert [f["msgSerial"] for f in alice.frames()] == [2]
    world.advance(40)
    assert [f["msgSerial"] for f in alice.frames()] == [3, 4, 5, 6]
    assert data(bob) == ["0", "2", "14", "3"]


def test_anything_else_on_the_channel_comes_after_what_waits(world):
    alice, bob, (serial, _) = start(world)
    for number in range(3):
        appended(alice, serial, number + 2, str(number))
    alice.send(15, channel="c", msgSerial=5, messages=[{"data": "next"}])
    assert data(bob) == ["0", "12", "next"]
    assert [f["msgSerial"] for f in alice.frames()] == [2, 3, 4, 5]


def test_closing_loses_nothing(world):
    alice, bob, (serial, _) = start(world)
    for number in range(3):
        appended(alice, serial, number + 2, str(number))
    alice.send(7)
    assert data(bob) == ["0", "12"]


def test_a_refusal_answers_every_part(world):
    alice, bob, (serial, _) = start(world)
    appended(alice, serial, 2, "0")
    world.broker.faults.reject("append", code=40000, status=400)
    appended(alice, serial, 3, "1")
    appended(alice, serial, 4, "2")
    alice.frames()
    world.advance(40)
    assert [(f["action"], f["msgSerial"]) for f in alice.frames()] == [(2, 3), (2, 4)]
    assert data(bob) == ["0"]


def test_text_and_bytes_are_not_joined(world):
    alice, bob, (serial, _) = start(world, format="msgpack")
    appended(alice, serial, 2, "0")
    appended(alice, serial, 3, "1")
    appended(alice, serial, 4, b"2")
    world.advance(40)
    assert [(f["action"], f["msgSerial"]) for f in alice.frames()] == [(1, 2), (1, 3), (2, 4)]
    assert data(bob) == ["0", "1"]


def test_a_frame_sent_twice_while_it_waits_is_joined_once(world):
    alice, bob, (serial, _) = start(world)
    appended(alice, serial, 2, "0")
    appended(alice, serial, 3, "1")
    appended(alice, serial, 3, "1")
    world.advance(40)
    assert [f["msgSerial"] for f in alice.frames()] == [2, 3]
    assert data(bob) == ["0", "1"]


def test_what_cannot_be_an_append_is_answered_in_its_place(world):
    alice, _, _ = start(world)
    appended(alice, "nope", 2, "0")
    alice.send(15, channel=":bad", msgSerial=3, messages=[{"action": 5, "serial": "x"}])
    assert [f["error"]["code"] for f in alice.frames()] == [40400, 40010]
