from __future__ import annotations

import pytest

from chat_transport.broker import Limits
from chat_transport.broker.dialogue import split_qualifier
from chat_transport.broker.refusal import Refusal


def test_qualifiers_are_split_from_names():
    assert split_qualifier("a:b") == ("a:b", {})
    assert split_qualifier("[?rewind=1&delta=x]a") == ("a", {"rewind": "1", "delta": "x"})
    with pytest.raises(Refusal):
        split_qualifier("[?rewind=1")


def test_a_heartbeat_comes_back_with_its_id(world):
    peer = world.connect()
    peer.send(0, id="abc")
    peer.send(22, id="xyz")
    assert peer.frames() == [{"action": 0, "id": "abc"}, {"action": 23, "id": "xyz"}]


def test_close_is_confirmed_and_final(world):
    peer = world.connect()
    peer.send(7)
    assert peer.frames() == [{"action": 8}]
    assert (peer.is_closed, world.broker.connections) == (True, {})


def test_disconnect_is_a_lost_socket(world):
    peer = world.connect()
    peer.send(5)
    peer.session.lost()
    assert (peer.is_closed, len(world.broker.connections)) == (True, 1)


def test_a_qualified_name_is_answered_as_it_was_sent(world):
    alice, bob = world.connect(), world.connect()
    alice.publish("c", {"data": "1"})
    attached = bob.attach("[?rewind=1]c")
    assert attached["channel"] == "[?rewind=1]c"
    assert [f["channel"] for f in bob.early] == ["[?rewind=1]c"]
    alice.publish("c", {"data": "2"})
    assert [f["channel"] for f in bob.frames()] == ["[?rewind=1]c"]
    bob.publish("[?rewind=1]c", {"data": "3"})
    assert len(world.broker.apps["app"].channel("c").log.entries) == 3


@pytest.mark.parametrize("name", ["", ":x", "[meta]log", "[?rewind=1"])
def test_invalid_names_fail_the_channel(world, name):
    peer = world.connect()
    peer.send(10, channel=name)
    (error,) = peer.frames()
    assert (error["action"], error["channel"], error["error"]["code"]) == (9, name, 40010)


def test_detach_ends_delivery_and_presence(world):
    alice, bob = world.connect(clientId="alice"), world.connect()
    alice.attach("c")
    bob.attach("c")
    alice.acked(14, "c", presence=[{"action": 2}])
    bob.frames()
    alice.send(12, channel="c")
    assert alice.frames() == [{"action": 13, "channel": "c"}]
    (leave,) = bob.frames()
    assert leave["presence"][0]["action"] == 3
    assert not leave["presence"][0]["id"].startswith(leave["presence"][0]["connectionId"])
    bob.publish("c", {"data": "x"})
    assert alice.frames() == []


def test_publishing_needs_no_attachment_but_presence_does(world):
    peer = world.connect(clientId="a")
    peer.publish("c", {"data": "x"})
    error = peer.acked(14, "c", presence=[{"action": 2}])["error"]
    assert (error["code"], error["statusCode"]) == (90001, 404)


def test_modes_that_were_not_asked_for_refuse(world):
    peer = world.connect(clientId="a")
    peer.attach("c", params={"modes": "subscribe"})
    for action, fields in (
        (15, {"messages": [{"data": "x"}]}),
        (14, {"presence": [{"action": 2}]}),
        (21, {"annotations": [{"type": "r:total.v1"}]}),
    ):
        error = peer.acked(action, "c", **fields)["error"]
        assert (error["code"], error["statusCode"]) == (40165, 401)


def test_the_number_of_channels_is_bounded(new_world):
    world = new_world(limits=Limits(channels_per_connection=2))
    peer = world.connect()
    peer.attach("a")
    peer.attach("b")
    peer.attach("a")
    peer.send(10, channel="c")
    assert peer.frames()[0]["error"]["code"] == 90010


def test_an_ack_precedes_the_echo(world):
    peer = world.connect(clientId="a")
    peer.attach("c")
    peer.send(15, channel="c", msgSerial=0, messages=[{"data": "x"}])
    peer.send(14, channel="c", msgSerial=1, presence=[{"action": 2}])
    assert [f["action"] for f in peer.frames()] == [1, 15, 1, 14]


def test_sync_on_request_also_when_nobody_is_there(world):
    peer = world.connect()
    peer.attach("c")
    peer.send(16, channel="c")
    peer.send(16, channel="unattached")
    (sync,) = peer.frames()
    assert (sync["action"], sync["presence"]) == (16, [])


def test_live_objects_are_refused(world):
    peer = world.connect()
    peer.send(19, channel="c", msgSerial=0)
    assert peer.frames()[0]["action"] == 2


def test_unknown_actions_are_ignored(world):
    peer = world.connect()
    for action in (3, 4, 11, 18, 20, 23, 99, -1):
        peer.send(action, channel="c", msgSerial=0)
    assert (peer.frames(), peer.is_closed) == ([], False)


def test_malformed_frames_are_answered_as_far_as_they_can_be_named(world):
    peer = world.connect()
    peer.send(15, channel="c", msgSerial=4, messages="no list")
    peer.send(10, channel="c", flags="no number")
    nack, error = peer.frames()
    assert (nack["action"], nack["msgSerial"], nack["count"]) == (2, 4, 1)
    assert (error["action"], error["channel"]) == (9, "c")
    peer.session.receive("{")
    (fatal,) = peer.frames()
    assert (fatal["action"], fatal["error"]["code"], peer.is_closed) == (9, 40000, True)
    peer.send(0)
    assert peer.frames() == []


def test_a_forced_nack_is_the_clouds_hook_for_tests(world):
    answer = world.connect().acked(15, "c", messages=[{"data": "x"}], params={"_forceNack": "true"})
    assert answer["error"]["code"] == 40099
