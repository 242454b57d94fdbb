from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from chat_transport.broker import Limits
from chat_transport.broker.store import Store
from chat_transport.errors import TransportError


def states(world, channel="c"):
    log = world.broker.apps["app"].channel(channel).log
    return [
        [(v.action, v.data, v.version.serial) for v in log.records[serial].versions()]
        for serial in log.order
    ]


def fill(peer, count=5):
    for number in range(count):
        (serial,) = peer.publish("c", {"data": str(number)})
        peer.publish("c", {"action": 5, "serial": serial, "data": "+"})
    peer.publish("c", {"action": 1, "serial": serial, "data": "edited"})
    peer.publish("c", {"action": 5, "serial": serial, "data": "!"})
    peer.publish("c", {"action": 2, "serial": peer.publish("c", {"data": "gone"})[0]})


def test_history_and_versions_survive(new_world, tmp_path):
    before = new_world(data=tmp_path / "b.sqlite")
    fill(before.connect())
    after = new_world(data=tmp_path / "b.sqlite")
    assert states(after) == states(before)
    assert after.broker.clock.next() > before.broker.apps["app"].channel("c").log.head
    before.broker.close()
    after.broker.close()


def test_a_client_resumes_over_a_restart_without_loss(new_world, tmp_path):
    before = new_world(data=tmp_path / "b.sqlite")
    alice, bob = before.connect(), before.connect()
    fresh = bob.attach("untouched")["channelSerial"]
    cursor = bob.attach("c")["channelSerial"]
    (serial,) = alice.publish("c", {"data": "a"})
    alice.publish("c", {"action": 5, "serial": serial, "data": "b"})
    after = new_world(data=tmp_path / "b.sqlite")
    late = after.connect()
    attached = late.attach("c", channelSerial=cursor)
    assert attached["flags"] & 4
    assert [f["messages"][0]["data"] for f in late.early] == ["a", "ab"]
    assert late.attach("untouched", channelSerial=fresh)["flags"] & 4
    (version,) = late.publish("c", {"action": 5, "serial": serial, "data": "c"})
    assert states(after)[0][-1] == (1, "abc", version)
    before.broker.close()
    after.broker.close()


def test_what_is_sent_again_after_a_restart_is_done_once(new_world, tmp_path):
    before = new_world(data=tmp_path / "b.sqlite")
    peer = before.connect()
    key = before.connected["connectionKey"]
    (serial,) = peer.publish("c", {"data": "a"})
    appends = [{"action": 5, "serial": serial, "data": piece} for piece in "bcd"]
    versions = [peer.publish("c", append)[0] for append in appends]
    before.broker.close()
    after = new_world(data=tmp_path / "b.sqlite")
    again = after.connect(resume=key)
    for number, append in enumerate(appends, 1):
        again.send(15, channel="c", msgSerial=number, messages=[append])
    again.send(15, channel="c", msgSerial=4, messages=[{**appends[0], "data": "e"}])
    *known, new = [frame["res"][0]["serials"][0] for frame in again.frames(1)]
    assert known == versions
    assert states(after)[0][-1] == (1, "abcde", new)
    again.send(15, channel="c", msgSerial=5, messages=[{**appends[0], "data": "f"}])
    assert states(after)[0][-1][1] == "abcdef"
    after.broker.close()


def test_trimmed_streams_leave_whole_messages(new_world, tmp_path):
    limits = Limits(stream_retention_ms=1000)
    before = new_world(data=tmp_path / "b.sqlite", limits=limits)
    peer = before.connect()
    fill(peer)
    (serial,) = peer.publish("c", {"data": "x"})
    before.advance(30_000)
    peer.publish("c", {"action": 5, "serial": serial, "data": "y"})
    log = before.broker.apps["app"].channel("c").log
    assert len(log.entries) == 1
    after = new_world(data=tmp_path / "b.sqlite", limits=limits)
    assert states(after) == states(before)
    assert after.broker.apps["app"].channel("c").log.floor == log.floor
    rows = before.broker.store._sql.execute("SELECT count(*) FROM entries").fetchone()
    assert rows == (1,)
    before.broker.close()
    after.broker.close()


def test_expired_messages_do_not_come_back(new_world, tmp_path):
    limits = Limits(history_count=3)
    before = new_world(data=tmp_path / "b.sqlite", limits=limits)
    peer = before.connect()
    for number in range(300):
        peer.publish("c", {"data": str(number)})
    after = new_world(data=tmp_path / "b.sqlite", limits=limits)
    assert states(after) == states(before)
    before.broker.close()
    after.broker.close()


def test_forgotten_channels_leave_no_rows(new_world, tmp_path):
    limits = Limits(stream_retention_ms=1000, history_retention_ms=1000, idle_channel_ms=1000)
    world = new_world(data=tmp_path / "b.sqlite", limits=limits)
    world.connect().publish("c", {"data": "x"})
    world.advance(60_000)
    for table in ("floors", "entries", "records"):
        assert world.broker.store._sql.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    world.broker.close()
    after = new_world(data=tmp_path / "b.sqlite")
    assert after.broker.apps["app"].channels == {}
    after.broker.close()


def test_presence_history_and_annotations_survive(new_world, tmp_path):
    before = new_world(data=tmp_path / "b.sqlite")
    peer = before.connect(clientId="a")
    peer.attach("c")
    peer.acked(14, "c", presence=[{"action": 2, "data": "x"}])
    (serial,) = peer.publish("c", {"data": "x"})
    peer.acked(21, "c", annotations=[{"messageSerial": serial, "type": "r:flag.v1"}])
    after = new_world(data=tmp_path / "b.sqlite")
    channel = after.broker.apps["app"].channel("c")
    assert [e.client_id for e in channel.presence_history] == ["a"]
    record = channel.log.records[serial]
    assert record.message().annotations == {"summary": record.annotations.summary()}
    assert record.annotations.summary()["r:flag.v1"]["total"] == 1
    before.broker.close()
    after.broker.close()


def test_a_removed_app_leaves_no_rows(new_world, tmp_path):
    world = new_world(data=tmp_path / "b.sqlite")
    world.connect().publish("c", {"data": "x"})
    world.broker.remove_app("app")
    assert world.broker.store.channels("app") == []
    world.broker.close()


def test_what_is_no_store_is_named_and_closed(tmp_path, monkeypatch):
    opened = []
    connect = sqlite3.connect

    def noted(*args, **settings):
        opened.append(connect(*args, **settings))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    path = tmp_path / "text"
    path.write_text("this is no database, but long enough to be read as one" * 50)
    with pytest.raises(TransportError, match="unable to use"):
        Store(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")
    with pytest.raises(TransportError, match="missing"):
        Store(tmp_path / "missing" / "b.sqlite")


PROGRAM = """
import os, signal, sys
from chat_transport.broker import Broker
from chat_transport.broker.frames import Message
from chat_transport.broker.publishing import Author
from chat_transport.broker.tokens import identity_of_key
broker = Broker(["app.key:secret"], data=sys.argv[1])
app = broker.apps["app"]
author = Author(identity_of_key(app.keys["app.key"], None), None, "x")
serial = app.channel("c").publish(author, [Message(data="")])[0]
for number in range(500):
    app.channel("c").publish(author, [Message(action=5, serial=serial, data="x")])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_acknowledged_survives_a_kill(new_world, tmp_path):
    path = tmp_path / "b.sqlite"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], check=False, timeout=30)
    assert done.returncode == -9
    world = new_world(data=path)
    (versions,) = states(world)
    assert versions[-1][1] == "x" * 500
    world.broker.close()
    with sqlite3.connect(path) as check:
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()
