from __future__ import annotations

import pytest

from chat_transport.broker import Limits

PRESENCE, BACKLOG, RESUMED = 1, 2, 4


def data(frames):
    return [m.get("data") for frame in frames if frame["action"] == 15 for m in frame["messages"]]


def test_a_virgin_channel_gives_a_serial_too(world):
    attached = world.connect().attach("c")
    assert attached["channelSerial"]
    assert attached["flags"] & (PRESENCE | BACKLOG | RESUMED) == 0


def test_history_until_the_attach_serial_and_live_have_no_gap_and_no_overlap(world):
    alice, bob = world.connect(), world.connect()
    before = alice.publish("c", {"data": "1"})
    attached = bob.attach("c")
    alice.publish("c", {"data": "2"})
    (frame,) = bob.frames()
    assert before[0][:-4] < attached["channelSerial"] < frame["channelSerial"]
    assert data([frame]) == ["2"]


def test_attach_with_a_serial_goes_on_right_after_it(world):
    alice, bob = world.connect(), world.connect()
    first = bob.attach("c")["channelSerial"]
    for number in "123":
        alice.publish("c", {"data": number})
    attached = world.connect().attach("c", channelSerial=first)
    assert attached["flags"] & RESUMED
    late = world.connect()
    attached = late.attach("c", channelSerial=bob.frames()[0]["channelSerial"])
    assert attached["flags"] & (RESUMED | BACKLOG) == RESUMED | BACKLOG
    assert data(late.early) == ["2", "3"]


def test_a_serial_that_is_too_old_is_said_and_what_is_left_comes(new_world):
    world = new_world(limits=Limits(stream_retention_ms=1000, history_retention_ms=10**9))
    alice, bob = world.connect(), world.connect()
    serial = bob.attach("c")["channelSerial"]
    alice.publish("c", {"data": "old"})
    world.advance(20_000)
    alice.publish("c", {"data": "new"})
    late = world.connect()
    attached = late.attach("c", channelSerial=serial)
    assert attached["error"]["code"] == 90003
    assert attached["flags"] & RESUMED == 0
    assert data(late.early) == ["new"]


@pytest.mark.parametrize("serial", ["garbage", "99999999999999-000@aaaaaaaaaa", "0"])
def test_an_unknown_serial_is_a_loss_of_continuity(world, serial):
    attached = world.connect().attach("c", channelSerial=serial)
    assert attached["error"]["code"] == 90003


def test_the_first_of_a_growing_message_is_the_whole_then_deltas(world):
    alice, bob = world.connect(), world.connect()
    (serial,) = alice.publish("c", {"data": "a"})
    alice.publish("c", {"action": 5, "serial": serial, "data": "b"})
    bob.attach("c")
    for piece in "cd":
        alice.publish("c", {"action": 5, "serial": serial, "data": piece})
    seen = [frame["messages"][0] for frame in bob.frames()]
    assert [(m["action"], m["data"]) for m in seen] == [(1, "abc"), (5, "d")]


def test_a_replay_gives_a_grown_message_once_as_it_is_now(world):
    alice, bob = world.connect(), world.connect()
    bob.attach("c")
    (serial,) = alice.publish("c", {"data": "0"})
    cursor = bob.frames()[0]["channelSerial"]
    for number in range(1, 50):
        alice.publish("c", {"action": 5, "serial": serial, "data": f" {number}"})
    late = world.connect()
    late.attach("c", channelSerial=cursor)
    assert data(late.early) == [" ".join(map(str, range(50)))]
    alice.publish("c", {"action": 5, "serial": serial, "data": "!"})
    assert data(late.frames()) == ["!"]


def test_append_mode_full_gives_whole_messages(world):
    alice, bob = world.connect(), world.connect()
    bob.attach("c", params={"appendMode": "full"})
    (serial,) = alice.publish("c", {"data": "a"})
    for piece in "bc":
        alice.publish("c", {"action": 5, "serial": serial, "data": piece})
    assert data(bob.frames()) == ["a", "ab", "abc"]


def test_the_aggregates_switch_is_what_the_cloud_may_do(world):
    alice, bob = world.connect(), world.connect()
    bob.attach("c")
    world.broker.faults.settings.aggregates = 2
    (serial,) = alice.publish("c", {"data": "a"})
    for piece in "bcde":
        alice.publish("c", {"action": 5, "serial": serial, "data": piece})
    assert data(bob.frames()) == ["a", "b", "abc", "d", "abcde"]


def test_the_duplicates_switch_sends_messages_twice_and_nothing_else(world):
    alice, bob = world.connect(), world.connect()
    bob.attach("c")
    world.broker.faults.settings.duplicates = 2
    (serial,) = alice.publish("c", {"data": "a"})
    for piece in "bcd":
        alice.publish("c", {"action": 5, "serial": serial, "data": piece})
    assert data(bob.frames()) == ["a", "b", "b", "c", "d", "d"]


@pytest.mark.parametrize(
    ("rewind", "expected"),
    [("2", ["3", "4!"]), ("100", ["0", "1", "2", "3", "4!"]), ("25s", ["3", "4!"]), ("0", [])],
)
def test_rewind_by_count_and_by_time(world, rewind, expected):
    alice = world.connect()
    for number in range(5):
        (serial,) = alice.publish("c", {"data": str(number)})
        world.advance(10_000)
    alice.publish("c", {"action": 5, "serial": serial, "data": "!"})
    bob = world.connect()
    attached = bob.attach("c", params={"rewind": rewind})
    assert data(bob.early) == expected
    assert bool(attached["flags"] & BACKLOG) is bool(expected)
    serials = [attached["channelSerial"], *(f["channelSerial"] for f in bob.early)]
    assert serials == sorted(serials)
    assert attached["params"] == {"rewind": rewind}
    alice.publish("c", {"action": 5, "serial": serial, "data": "?"})
    assert data(bob.frames()) == (["?"] if expected else ["4!?"])


def test_rewind_is_bounded_and_says_so(new_world):
    world = new_world(limits=Limits(rewind_limit=3))
    alice, bob, carol = world.connect(), world.connect(), world.connect()
    for number in range(5):
        alice.publish("c", {"data": str(number)})
    attached = bob.attach("c", params={"rewind": "5m"})
    assert (attached["error"]["code"], data(bob.early)) == (90004, ["2", "3", "4"])
    attached = carol.attach("c", params={"rewind": "5m", "rewindLimit": "2"})
    assert (attached.get("error"), data(carol.early)) == (None, ["3", "4"])


@pytest.mark.parametrize(
    "params", [{"rewind": "x"}, {"rewind": "-1"}, {"rewind": "1", "rewindLimit": "y"}]
)
def test_a_rewind_that_cannot_be_read_fails_the_channel(world, params):
    bob = world.connect()
    bob.send(10, channel="c", params=params)
    (error,) = bob.frames()
    assert (error["action"], error["channel"], error["error"]["code"]) == (9, "c", 40000)


def test_a_rewind_from_inside_the_backlog_resumes_without_loss(world):
    alice, bob, late = world.connect(), world.connect(), world.connect()
    for number in range(4):
        alice.publish("c", {"data": str(number)})
    bob.attach("c", params={"rewind": "4"})
    cursor = bob.early[1]["channelSerial"]
    late.attach("c", channelSerial=cursor)
    assert data(late.early) == ["2", "3"]


def test_modes_are_asked_for_granted_and_kept(world):
    alice, bob = world.connect(), world.connect()
    attached = bob.attach("c", params={"modes": "publish,presence"})
    assert attached["flags"] >> 16 == 0b11
    assert attached["params"] == {"modes": "presence,publish"}
    alice.publish("c", {"data": "x"})
    assert bob.frames() == []
    attached = world.connect().attach("c", flags=1 << 18)
    assert attached["flags"] >> 16 == 0b100


def test_an_unknown_mode_fails_the_channel(world):
    bob = world.connect()
    bob.send(10, channel="c", params={"modes": "telepathy"})
    assert bob.frames()[0]["error"]["code"] == 40000


@pytest.mark.parametrize("where", ["connection", "channel"])
def test_echo_off_keeps_own_messages_out_also_of_a_replay(world, where):
    own = world.connect(**({"echo": "false"} if where == "connection" else {}))
    params = {"echo": "false"} if where == "channel" else {}
    cursor = own.attach("c", params=params)["channelSerial"]
    own.publish("c", {"data": "mine"})
    world.connect().publish("c", {"data": "other"})
    assert data(own.frames()) == ["other"]
    own.send(12, channel="c")
    own.attach("c", params=params, channelSerial=cursor)
    assert data(own.early) == ["other"]


def test_a_second_attach_changes_settings_and_replays_nothing(world):
    alice, bob = world.connect(), world.connect()
    cursor = bob.attach("c")["channelSerial"]
    alice.publish("c", {"data": "1"})
    assert data(bob.frames()) == ["1"]
    attached = bob.attach("c", channelSerial=cursor, params={"rewind": "5"})
    assert attached["flags"] & RESUMED
    assert data(bob.early) == []
    alice.publish("c", {"data": "2"})
    assert data(bob.frames()) == ["2"]


def test_members_come_with_every_attached(world):
    alice, bob = world.connect(clientId="alice"), world.connect()
    alice.attach("c")
    alice.acked(14, "c", presence=[{"action": 2, "data": "x"}])
    for _ in range(2):
        assert bob.attach("c")["flags"] & PRESENCE
        (sync,) = bob.early
        assert sync["action"] == 16
        assert sync["channelSerial"].endswith(":")
        assert not set("@.") & set(sync["channelSerial"])
        assert [(m["action"], m["clientId"]) for m in sync["presence"]] == [(1, "alice")]


def test_a_large_set_is_synced_in_pages(world):
    alice, bob = world.connect(), world.connect()
    alice.attach("c")
    events = [{"action": 2, "clientId": str(number)} for number in range(150)]
    alice.acked(14, "c", presence=events)
    bob.attach("c")
    first, last = bob.early
    assert first["channelSerial"].partition(":")[0] == last["channelSerial"].partition(":")[0]
    assert last["channelSerial"].endswith(":")
    assert not first["channelSerial"].endswith(":")
    assert len(first["presence"]) + len(last["presence"]) == 150


def test_a_replay_longer_than_the_limit_gives_the_newest_and_says_so(new_world):
    world = new_world(limits=Limits(replay_limit=3))
    alice, bob = world.connect(), world.connect()
    cursor = bob.attach("c")["channelSerial"]
    for number in range(5):
        alice.publish("c", {"data": str(number)})
    late = world.connect()
    attached = late.attach("c", channelSerial=cursor)
    assert (attached["error"]["code"], attached["flags"] & RESUMED) == (90004, 0)
    assert data(late.early) == ["2", "3", "4"]


def test_what_an_attachment_remembers_is_bounded(new_world):
    world = new_world(limits=Limits(history_count=10))
    alice, bob = world.connect(), world.connect()
    bob.attach("c")
    for number in range(100):
        alice.publish("c", {"data": str(number)})
        bob.frames()
    assert len(bob.session.attachments["c"]._seen) <= 10


def test_no_frame_is_larger_than_clients_take(world):
    alice, bob = world.connect(), world.connect()
    alice.attach("c")
    for number in range(40):
        event = {"action": 2, "clientId": str(number), "data": "x" * 60_000}
        alice.acked(14, "c", presence=[event])
    (serial,) = alice.publish("c", {"data": ""})
    while (
        answer := alice.acked(
            15, "c", messages=[{"action": 5, "serial": serial, "data": "y" * 60_000}]
        )
    )["action"] == 1:
        pass
    assert answer["error"]["code"] == 40009
    bob.send(10, channel="c", params={"rewind": "1"})
    payloads = bob.session.outbox.take()
    assert max(map(len, payloads)) < 524_288
    assert sum(len(p) > 300_000 for p in payloads) == 1
