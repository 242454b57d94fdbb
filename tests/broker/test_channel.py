from __future__ import annotations

import pytest

from chat_transport.broker import Limits, Namespace
from chat_transport.broker.channel import check_channel_name
from chat_transport.broker.refusal import Refusal


@pytest.mark.parametrize(
    "name", [None, "", ":a", ",a", " a", "\ta", "[a]", "a\nb", "a*:b", "x" * 2049]
)
def test_invalid_names(name):
    with pytest.raises(Refusal) as caught:
        check_channel_name(name)
    assert caught.value.code == 40010


@pytest.mark.parametrize("name", ["a", "a:b", "a b", "ü☃", "a*", "a:b*", "a,b", "a[b]"])
def test_valid_names(name):
    assert check_channel_name(name) == name


def test_a_publish_is_stamped_and_delivered_under_the_acked_serial(world):
    alice, bob = world.connect(clientId="alice"), world.connect()
    bob.attach("c")
    (serial,) = alice.publish("c", {"name": "n", "data": "hi", "extras": {"h": 1}})
    (frame,) = bob.frames()
    (message,) = frame["messages"]
    assert frame["channelSerial"] == serial[:-4]
    assert frame["connectionId"] == message["connectionId"]
    assert message == {
        "id": f"{message['connectionId']}:0:0",
        "name": "n",
        "data": "hi",
        "clientId": "alice",
        "connectionId": message["connectionId"],
        "timestamp": world.now,
        "extras": {"h": 1},
        "serial": serial,
        "action": 0,
        "version": {"serial": serial, "timestamp": world.now, "clientId": "alice"},
    }


def test_messages_of_one_frame_stay_together(world):
    alice, bob = world.connect(), world.connect()
    bob.attach("c")
    serials = alice.publish("c", {"data": "1"}, {"data": "2"})
    (frame,) = bob.frames()
    assert [m["serial"] for m in frame["messages"]] == serials
    assert [serial[-4:] for serial in serials] == [":000", ":001"]


def test_the_same_client_given_id_is_published_once(world):
    alice, bob = world.connect(), world.connect()
    bob.attach("c")
    first = alice.publish("c", {"id": "mine:0", "data": "1"})
    again = alice.publish("c", {"id": "mine:0", "data": "1"})
    assert first == again
    assert len(bob.frames()) == 1


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([], 40000),
        ([{"data": 1}], 40013),
        ([{"data": "x" * 70_000}], 40009),
        ([{"action": 9}], 40003),
        ([{"action": 4}], 40003),
        ([{"action": 1}], 40003),
        ([{"action": 5, "serial": "nope"}], 40400),
        ([{"action": 1, "serial": "a"}, {"data": "x"}], 40000),
        ([{"id": "a:1"}, {"id": "b:2"}], 40031),
    ],
)
def test_refused_publishes_are_named_and_leave_no_trace(world, messages, code):
    alice = world.connect()
    answer = alice.acked(15, "c", messages=messages)
    assert (answer["action"], answer["count"], answer["error"]["code"]) == (2, 1, code)
    assert world.broker.apps["app"].channel("c").log.entries == []


def test_a_client_speaks_only_for_itself(world):
    alice = world.connect(clientId="alice")
    assert alice.acked(15, "c", messages=[{"clientId": "bob"}])["error"]["code"] == 40012
    anyone = world.connect()
    anyone.publish("c", {"clientId": "bob"})


def test_update_delete_and_append(world):
    alice, bob = world.connect(clientId="alice"), world.connect()
    bob.attach("c")
    (serial,) = alice.publish("c", {"name": "n", "data": "a"})
    changes = [
        {"action": 5, "data": "b"},
        {"action": 1, "data": "new", "version": {"description": "why", "metadata": {"k": "v"}}},
        {"action": 5, "data": "+"},
        {"action": 2},
    ]
    versions = [alice.publish("c", {"serial": serial, **change})[0] for change in changes]
    assert [serial, *versions] == sorted({serial, *versions})
    seen = [frame["messages"][0] for frame in bob.frames()]
    assert [(m["action"], m.get("data"), m["name"], m["serial"]) for m in seen] == [
        (0, "a", "n", serial),
        (5, "b", "n", serial),
        (1, "new", "n", serial),
        (5, "+", "n", serial),
        (2, "new+", "n", serial),
    ]
    assert [m["version"]["serial"] for m in seen] == [serial, *versions]
    assert seen[2]["version"]["description"] == "why"
    assert seen[2]["version"]["clientId"] == "alice"
    assert {m["timestamp"] for m in seen} == {world.now}


def test_a_namespace_without_mutable_messages_refuses_changes(new_world):
    world = new_world(namespaces=[Namespace("plain"), Namespace("rich", mutable_messages=True)])
    alice = world.connect()
    for channel, code in (
        ("plain:x", 93002),
        ("rich:x", None),
        ("other:x", None),
        ("plain", 93002),
    ):
        (serial,) = alice.publish(channel, {"data": "a"})
        answer = alice.acked(15, channel, messages=[{"action": 5, "serial": serial, "data": "b"}])
        assert answer.get("error", {}).get("code") == code


def test_a_namespace_may_ask_for_identified_clients(new_world):
    world = new_world(namespaces=[Namespace("id", authenticated=True)])
    assert world.connect().acked(15, "id:x", messages=[{}])["error"]["code"] == 40161
    world.connect(clientId="c").publish("id:x", {"data": "a"})


def test_mixed_data_cannot_be_appended(world):
    alice = world.connect(format="msgpack")
    (serial,) = alice.publish("c", {"data": "text"})
    answer = alice.acked(15, "c", messages=[{"action": 5, "serial": serial, "data": b"raw"}])
    assert answer["error"]["code"] == 40000


def test_ephemeral_messages_are_not_kept(world):
    alice, bob = world.connect(), world.connect()
    bob.attach("c")
    alice.publish("c", {"data": "x", "extras": {"ephemeral": True}})
    assert len(bob.frames()) == 1
    assert world.broker.apps["app"].channel("c").log.records == {}


def test_rate_limit_as_the_cloud_has_it(world):
    world.broker.faults.settings.rate_per_second = 50
    alice = world.connect()
    codes = [
        alice.acked(15, "c", messages=[{"data": "x"}]).get("error", {}).get("code")
        for _ in range(52)
    ]
    assert codes == [None] * 50 + [42913] * 2
    alice.publish("other", {"data": "x"})
    world.advance(1000)
    alice.publish("c", {"data": "x"})


def test_presence_events_reach_everyone_with_the_entering_client(world):
    alice, bob = world.connect(clientId="alice"), world.connect()
    alice.attach("c")
    bob.attach("c")
    alice.acked(14, "c", presence=[{"action": 2, "data": "here"}])
    alice.acked(14, "c", presence=[{"action": 4, "data": "busy"}])
    alice.acked(14, "c", presence=[{"action": 3}])
    events = [frame["presence"][0] for frame in bob.frames(14)]
    assert [(e["action"], e["data"], e["clientId"]) for e in events] == [
        (2, "here", "alice"),
        (4, "busy", "alice"),
        (3, "busy", "alice"),
    ]
    for event in events:
        connection, serial, index = event["id"].split(":")
        assert (connection, serial.isdigit(), index) == (event["connectionId"], True, "0")


@pytest.mark.parametrize(
    ("query", "event", "code"),
    [
        ({}, {"action": 2}, 91000),
        ({"clientId": "a"}, {"action": 2, "clientId": "b"}, 40012),
        ({"clientId": "a"}, {"action": 1}, 40003),
        ({"clientId": "a"}, {"action": 2, "clientId": "*"}, 40012),
    ],
)
def test_refused_presence(world, query, event, code):
    peer = world.connect(**query)
    peer.attach("c")
    assert peer.acked(14, "c", presence=[event])["error"]["code"] == code


def test_a_full_channel(new_world):
    world = new_world(limits=Limits(members_per_channel=1))
    peer = world.connect()
    peer.attach("c")
    peer.acked(14, "c", presence=[{"action": 2, "clientId": "a"}])
    answer = peer.acked(14, "c", presence=[{"action": 2, "clientId": "b"}])
    assert answer["error"]["code"] == 91003


def test_entering_again_with_the_same_data_is_silent(world):
    alice, bob = world.connect(clientId="alice"), world.connect()
    alice.attach("c")
    bob.attach("c")
    for data in ("x", "x", "y"):
        alice.acked(14, "c", presence=[{"action": 2, "data": data}])
    assert [frame["presence"][0]["data"] for frame in bob.frames(14)] == ["x", "y"]


def test_leaving_unknown_is_acknowledged_and_silent(world):
    alice = world.connect(clientId="alice")
    alice.attach("c")
    assert alice.acked(14, "c", presence=[{"action": 3}])["action"] == 1
    assert alice.frames() == []


def test_annotations_change_the_summary(world):
    alice, bob = world.connect(clientId="alice"), world.connect()
    bob.attach("c", params={"modes": "subscribe,annotation_subscribe"})
    (serial,) = alice.publish("c", {"data": "x"})
    annotation = {"messageSerial": serial, "type": "r:distinct.v1", "name": "👍"}
    answer = alice.acked(21, "c", annotations=[annotation])
    assert answer["action"] == 1
    _, told, summary = bob.frames()
    assert told["annotations"][0]["clientId"] == "alice"
    assert answer["res"][0]["serials"] == [told["annotations"][0]["serial"]]
    (message,) = summary["messages"]
    assert (message["action"], message["serial"]) == (4, serial)
    assert message["annotations"]["summary"]["r:distinct.v1"]["👍"]["total"] == 1
    unknown = {"messageSerial": "nope", "type": "r:total.v1"}
    assert alice.acked(21, "c", annotations=[unknown])["error"]["code"] == 40400


def test_a_bad_annotation_among_good_ones_changes_nothing(world):
    alice = world.connect(clientId="alice")
    (serial,) = alice.publish("c", {"data": "x"})
    good = {"messageSerial": serial, "type": "r:total.v1"}
    bad = {"messageSerial": serial, "type": "r:distinct.v1"}
    assert alice.acked(21, "c", annotations=[good, bad])["action"] == 2
    assert world.broker.apps["app"].channel("c").log.records[serial].annotations.summary() == {}


def test_a_serial_that_the_last_process_gave_out_is_believed_and_passed(world):
    channel = world.broker.apps["app"].channel("c")
    ahead = f"{channel.log.head[:19]}zzzzzzzzzz"
    assert ahead > channel.log.head
    assert channel.can_continue(ahead)
    (serial,) = world.connect().publish("c", {"data": "x"})
    assert serial > ahead
    assert not channel.can_continue("99999999999999-000@aaaaaaaaaa")
    assert not channel.can_continue("garbage")
    assert not channel.can_continue("00000000000000-000@aaaaaaaaaa")
