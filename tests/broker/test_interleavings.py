"""Whatever clients do and however sockets drop: what each one saw is what the log says."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CHANNELS = ("a", "b")
EXAMPLES = int(os.environ.get("BROKER_EXAMPLES", "300"))


class View:
    """What a client knows of a channel, by the consumer's rule of the documentation."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.start = ""
        self.attached = ""
        """Where the channel was when the client first attached."""
        self.messages: dict[str, tuple[str, int, str]] = {}
        self.last_create = ""

    def take(self, frame: dict[str, Any]) -> None:
        self.cursor = frame["channelSerial"]
        for message in frame["messages"]:
            serial, version = message["serial"], message["version"]["serial"]
            known = self.messages.get(serial)
            if known is not None and version <= known[0]:
                continue
            action, data = message["action"], message.get("data", "")
            if known is None:
                assert action != 5, "the first of a message is never a delta"
            if action == 0:
                assert serial > self.last_create, "creates keep their order"
                self.last_create = serial
            text = known[2] + data if action == 5 and known else data
            self.messages[serial] = (version, 1 if action in (0, 5) else action, text)


class Client:
    """A client that keeps the protocol: serials, cursors, and what was not answered."""

    def __init__(self, world: Any, number: int) -> None:
        self.world = world
        self.query = {"appendRollupWindow": "40"} if number % 3 == 2 else {}
        if number % 2:
            self.query["format"] = "msgpack"
        self.key: str | None = None
        self.peer: Any = None
        self.serial = 0
        self.unanswered: dict[int, dict[str, Any]] = {}
        self.results: dict[int, str | None] = {}
        self.views: dict[str, View] = {}

    def open(self) -> None:
        if self.peer is not None:
            return
        query = dict(self.query) | ({"resume": self.key} if self.key else {})
        self.peer = self.world.connect(**query)
        assert "error" not in self.world.connected
        self.key = self.world.connected["connectionKey"]
        for serial, fields in sorted(self.unanswered.items()):
            self.peer.send(15, msgSerial=serial, **fields)
        for channel, view in self.views.items():
            self.peer.send(10, channel=channel, channelSerial=view.cursor)

    def drop(self, heard: int) -> None:
        """The socket breaks; of what was on its way, only the first frames were heard."""
        if self.peer is None:
            return
        for frame in self.peer.frames()[:heard]:
            self.take(frame)
        self.peer.session.outbox.cut()
        self.peer.session.lost()
        self.peer = None

    def read(self) -> None:
        if self.peer is not None:
            assert not self.peer.is_closed
            for frame in self.peer.frames():
                self.take(frame)

    def take(self, frame: dict[str, Any]) -> None:
        if frame["action"] == 15:
            self.views[frame["channel"]].take(frame)
        elif frame["action"] == 11:
            view = self.views[frame["channel"]]
            assert "error" not in frame
            view.cursor = frame["channelSerial"]
            if not view.start:
                log = self.world.broker.apps["app"].channel(frame["channel"]).log
                view.start, view.attached = frame["channelSerial"], log.head
        elif frame["action"] in (1, 2):
            fields = self.unanswered.pop(frame["msgSerial"], None)
            if frame["action"] == 1 and fields is not None:
                self.results[frame["msgSerial"]] = frame["res"][0]["serials"][0]

    def say(self, channel: str, message: dict[str, Any], *, arrives: bool) -> None:
        fields = {"channel": channel, "messages": [message]}
        serial, self.serial = self.serial, self.serial + 1
        self.unanswered[serial] = fields
        if self.peer is not None and arrives:
            self.peer.send(15, msgSerial=serial, **fields)
        elif self.peer is not None:
            self.drop(0)

    def attach(self, channel: str, rewind: int) -> None:
        self.read()
        if self.peer is None:
            return
        fresh = channel not in self.views
        view = self.views.setdefault(channel, View())
        params = {"rewind": str(rewind)} if fresh and rewind else {}
        self.peer.send(10, channel=channel, channelSerial=view.cursor, params=params)
        self.read()

    def detach(self, channel: str) -> None:
        self.read()
        if self.peer is not None and channel in self.views:
            self.peer.send(12, channel=channel)
            self.read()
            del self.views[channel]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "publish",
                "append",
                "append",
                "append",
                "update",
                "delete",
                "attach",
                "detach",
                "drop",
                "open",
                "read",
                "wait",
                "again",
                "faults",
            ]
        ),
        st.integers(0, 3),
        st.integers(0, 7),
    ),
    max_size=60,
)


def perform(world: Any, clients: list[Client], step: tuple[str, int, int], token: str) -> None:
    kind, who, number = step
    client, channel = clients[who], CHANNELS[number % 2]
    records = world.broker.apps["app"].channel(channel).log.order
    if kind == "publish":
        client.say(channel, {"data": token}, arrives=number < 6)
    elif kind in {"append", "update", "delete"} and records:
        action = {"append": 5, "update": 1, "delete": 2}[kind]
        serial = records[number % len(records)]
        client.say(channel, {"action": action, "serial": serial, "data": token}, arrives=number < 6)
    elif kind == "attach":
        client.attach(channel, number // 2)
    elif kind == "detach":
        client.detach(channel)
    elif kind == "drop":
        client.drop(number)
    elif kind == "open":
        client.open()
    elif kind == "read":
        client.read()
    elif kind == "wait":
        world.advance(number * 20)
    elif kind == "again" and client.peer is not None and client.unanswered:
        serial, fields = next(iter(client.unanswered.items()))
        client.peer.send(15, msgSerial=serial, **fields)
    elif kind == "faults":
        world.broker.faults.settings.aggregates = number % 3
        world.broker.faults.settings.conflate = number % 4


def settle(world: Any, clients: list[Client]) -> None:
    """Everyone comes back and hears everything."""
    for client in clients:
        client.drop(0)
        client.open()
    world.advance(1000)
    for client in clients:
        client.read()
        assert client.unanswered == {}


SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW, print_blob=True)
@given(steps=STEPS)
def test_everyone_sees_what_the_log_says(new_world, steps):
    world = new_world()
    clients = [Client(world, number) for number in range(4)]
    for client in clients:
        client.open()
    for number, step in enumerate(steps):
        perform(world, clients, step, f"<{number}>")
    settle(world, clients)
    check_views(world, clients)
    check_once(world, clients)
    check_history(world, clients)


@settings(max_examples=EXAMPLES // 4, deadline=None, suppress_health_check=SLOW, print_blob=True)
@given(lives=st.lists(STEPS, min_size=2, max_size=3))
def test_also_when_the_broker_dies_and_comes_back(new_world, lives):
    with TemporaryDirectory() as folder:
        data = f"{folder}/broker.sqlite"
        world = new_world(data=data)
        clients = [Client(world, number) for number in range(4)]
        for life, steps in enumerate(lives):
            for client in clients:
                client.open()
            for number, step in enumerate(steps):
                perform(world, clients, step, f"<{life}.{number}>")
            for number, client in enumerate(clients):
                client.drop(number)
            now = world.now
            world.broker.close()
            world = new_world(data=data)
            world.now = now + 5
            for client in clients:
                client.world = world
        settle(world, clients)
        check_views(world, clients)
        check_once(world, clients)
        check_history(world, clients)
        world.broker.close()


def check_views(world, clients):
    for channel in CHANNELS:
        log = world.broker.apps["app"].channel(channel).log
        truth = {
            serial: (record.version_serial, record.message().action or 1, record.message().data)
            for serial, record in log.records.items()
        }
        for client in clients:
            view = client.views.get(channel)
            if view is None:
                continue
            for serial, seen in view.messages.items():
                assert seen == truth[serial]
            for serial, (version, _, _) in truth.items():
                if serial[:-4] > view.start or version[:-4] > view.attached:
                    assert serial in view.messages, "a gap"


def check_once(world, clients):
    """Each acknowledged operation is in the log once, and nothing else is."""
    logged = [
        entry.items[0].version.serial
        for channel in CHANNELS
        for entry in world.broker.apps["app"].channel(channel).log.entries
    ]
    assert len(logged) == len(set(logged))
    acked = [serial for client in clients for serial in client.results.values() if serial]
    assert sorted(acked) == sorted(logged)


def check_history(world, clients):
    """History until attach and what came after it make the whole channel, without overlap."""
    from chat_transport.broker.log import HistoryQuery

    for channel in CHANNELS:
        log = world.broker.apps["app"].channel(channel).log
        for client in clients:
            if channel not in client.views:
                continue
            records, _ = log.page(HistoryQuery(limit=1000, until=client.views[channel].start))
            before = {record.serial for record in records}
            after = {s for s in log.order if s[:-4] > client.views[channel].start}
            assert before | after == set(log.order)
            assert before & after == set()
