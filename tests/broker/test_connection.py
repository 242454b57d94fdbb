from __future__ import annotations

import pytest

from chat_transport.broker import Limits


def send(peer, serial, text, channel="c"):
    peer.send(15, channel=channel, msgSerial=serial, messages=[{"data": text}])


def log_of(world, channel="c"):
    return [e.items[0].data for e in world.broker.apps["app"].channel(channel).log.entries]


def test_acks_name_serial_count_and_results(world):
    peer = world.connect()
    send(peer, 0, "a")
    (ack,) = peer.frames()
    assert ack == {"action": 1, "msgSerial": 0, "count": 1, "res": ack["res"]}
    assert len(ack["res"][0]["serials"]) == 1


def test_the_same_frame_twice_is_done_once_and_answered_twice(world):
    peer = world.connect()
    for serial, text in ((0, "a"), (1, "b"), (0, "a"), (1, "b")):
        send(peer, serial, text)
    first, second, again_first, again_second = peer.frames()
    assert (again_first, again_second) == (first, second)
    assert log_of(world) == ["a", "b"]


def test_a_refused_frame_sent_again_gets_the_same_answer(world):
    peer = world.connect()
    world.broker.faults.reject("publish", times=1)
    send(peer, 0, "a")
    send(peer, 0, "a")
    first, again = peer.frames()
    assert first["action"] == 2
    assert first == again
    assert log_of(world) == []


def test_the_same_serial_with_other_content_is_new(world):
    peer = world.connect()
    send(peer, 7, "a")
    send(peer, 8, "b")
    send(peer, 7, "c")
    assert [f["msgSerial"] for f in peer.frames()] == [7, 8, 7]
    assert log_of(world) == ["a", "b", "c"]


def test_a_client_that_counts_from_zero_again_is_believed(world):
    peer = world.connect()
    for serial, text in ((0, "a"), (1, "b"), (0, "x"), (1, "b")):
        send(peer, serial, text)
    assert log_of(world) == ["a", "b", "x", "b"]
    ids = [e.items[0].id for e in world.broker.apps["app"].channel("c").log.entries]
    assert len(set(ids)) == 4


def test_forward_jumps_are_legal(world):
    peer = world.connect()
    send(peer, 100, "a")
    send(peer, 2000, "b")
    assert [f["msgSerial"] for f in peer.frames()] == [100, 2000]


@pytest.mark.parametrize("serial", [None, -1])
def test_a_frame_without_a_serial_fails_its_channel(world, serial):
    peer = world.connect()
    send(peer, serial, "a")
    (error,) = peer.frames()
    assert (error["action"], error["channel"], error["error"]["code"]) == (9, "c", 40000)


def test_results_are_kept_in_bounded_number(new_world):
    world = new_world(limits=Limits(remembered_results=5))
    peer = world.connect()
    for serial in range(20):
        send(peer, serial, str(serial))
    connection = peer.session.connection
    assert len(connection._known) == 5
    assert not connection._unanswered


def test_a_connection_has_a_rate_too(new_world):
    world = new_world(limits=Limits(rate_per_second=3))
    peer = world.connect()
    for number in range(4):
        send(peer, number, "x", f"c{number}")
    assert [f.get("error", {}).get("code") for f in peer.frames()] == [None, None, None, 42911]


def test_resume_answers_what_was_not_answered(world):
    peer = world.connect()
    key = world.connected["connectionDetails"]["connectionKey"]
    send(peer, 0, "a")
    world.broker.faults.drop_sockets()
    assert peer.frames() == []
    back = world.connect(resume=key)
    assert back.session.connection is peer.session.connection
    send(back, 0, "a")
    assert [f["action"] for f in back.frames()] == [1]
    assert log_of(world) == ["a"]
