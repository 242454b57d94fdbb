from __future__ import annotations


def append(peer, serial, *pieces):
    for piece in pieces:
        peer.publish("c", {"action": 5, "serial": serial, "data": piece})


def data(peer):
    return [frame["messages"][0].get("data") for frame in peer.frames(15)]


def start(world):
    alice, bob = world.connect(), world.connect()
    bob.attach("c")
    world.broker.faults.settings.conflate = 3
    (serial,) = alice.publish("c", {"data": "-"})
    return alice, bob, serial


def test_appends_arrive_in_groups(world):
    alice, bob, serial = start(world)
    append(alice, serial, *"abcdefg")
    assert data(bob) == ["-", "abc", "def"]
    world.advance(50)
    assert data(bob) == ["g"]


def test_a_group_carries_the_version_of_its_last(world):
    alice, bob, serial = start(world)
    append(alice, serial, "a", "b")
    (last,) = alice.publish("c", {"action": 5, "serial": serial, "data": "c"})
    assert bob.frames()[-1]["messages"][0]["version"]["serial"] == last


def test_other_entries_come_after_what_waits(world):
    alice, bob, serial = start(world)
    append(alice, serial, "a", "b")
    alice.publish("c", {"data": "next"})
    assert data(bob) == ["-", "ab", "next"]


def test_a_new_attached_comes_after_what_waits(world):
    alice, bob, serial = start(world)
    append(alice, serial, "a", "b")
    bob.send(10, channel="c")
    assert [f["action"] for f in bob.frames()] == [15, 15, 11]


def test_a_whole_message_comes_after_the_deltas_that_wait(world):
    alice, bob, serial = start(world)
    append(alice, serial, "a", "b")
    world.broker.faults.settings.aggregates = 1
    append(alice, serial, "c")
    world.broker.faults.settings.aggregates = 0
    append(alice, serial, "d", "e", "f")
    assert data(bob) == ["-", "ab", "-abc", "def"]
