from __future__ import annotations


def data(peer):
    return told(peer.frames(15))


def told(frames):
    return [frame["messages"][0].get("data") for frame in frames]


def start(world):
    alice, bob, carol = world.connect(), world.connect(), world.connect()
    carol.attach("c")
    world.broker.faults.settings.swaps = 1
    return alice, bob, carol


def test_the_next_of_another_publisher_overtakes(world):
    alice, bob, carol = start(world)
    first, second = alice.publish("c", {"data": "a"}), bob.publish("c", {"data": "b"})
    assert first < second
    assert data(carol) == ["b", "a"]


def test_the_own_order_of_a_publisher_is_kept(world):
    alice, bob, carol = start(world)
    for text in "123":
        alice.publish("c", {"data": text})
    bob.publish("c", {"data": "b"})
    assert data(carol) == ["1", "2", "b", "3"]


def test_what_is_not_overtaken_comes_soon(world):
    alice, _bob, carol = start(world)
    alice.publish("c", {"data": "a"})
    assert data(carol) == []
    world.advance(50)
    assert data(carol) == ["a"]


def test_a_wait_that_is_over_ends_no_later_one(world):
    alice, bob, carol = start(world)
    alice.publish("c", {"data": "a"})
    bob.publish("c", {"data": "b"})
    world.advance(30)
    alice.publish("c", {"data": "later"})
    world.advance(30)
    assert data(carol) == ["b", "a"]
    world.advance(20)
    assert data(carol) == ["later"]


def test_every_second_message_waits(world):
    alice, bob, carol = start(world)
    world.broker.faults.settings.swaps = 2
    for text in "12":
        alice.publish("c", {"data": text})
    bob.publish("c", {"data": "b"})
    assert data(carol) == ["1", "b", "2"]


def test_a_new_attached_comes_after_what_waits(world):
    alice, _bob, carol = start(world)
    alice.publish("c", {"data": "a"})
    carol.send(10, channel="c")
    assert [frame["action"] for frame in carol.frames()] == [15, 11]


def test_history_keeps_the_true_order(world):
    alice, bob, carol = start(world)
    alice.publish("c", {"data": "a"})
    bob.publish("c", {"data": "b"})
    world.broker.faults.settings.swaps = 0
    late = world.connect()
    late.attach("c", params={"rewind": "10"})
    assert data(carol) == ["b", "a"]
    assert told(late.early) == ["a", "b"]
