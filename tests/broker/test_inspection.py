from __future__ import annotations

import msgspec

from chat_transport.broker.inspection import KEPT_FRAMES, PREVIEW, Traffic, inspection_reply
from chat_transport.broker.rest.call import Call


def show(world, path, method="GET", **query):
    call = Call(world.broker, method, path, query=query, headers={}, body=b"")
    reply = inspection_reply(call, world.broker.traffic)
    return reply, reply.body(binary=False)


def started(world):
    world.broker.traffic = Traffic()
    peer = world.connect(clientId="alice", format="msgpack")
    peer.attach("c")
    peer.acked(14, "c", presence=[{"action": 2}])
    (serial,) = peer.publish("c", {"data": "a", "name": "n"})
    peer.publish("c", {"action": 5, "serial": serial, "data": b"b".decode()})
    return peer


def test_the_state_lists_apps_channels_and_connections(world):
    peer = started(world)
    value = msgspec.json.decode(show(world, "/inspect/state")[1])
    (app,) = value["apps"]
    (channel,) = app["channels"]
    assert (channel["name"], channel["messages"], channel["members"], channel["subscribers"]) == (
        "c",
        1,
        1,
        1,
    )
    assert app["connections"] == [
        {"id": peer.session.connection_id, "clientId": "alice", "online": True, "channels": ["c"]}
    ]


def test_a_channel_shows_messages_with_their_versions(world):
    started(world)
    value = msgspec.json.decode(show(world, "/inspect/channel", app="app", name="c")[1])
    assert [[(v["action"], v["data"]) for v in m] for m in value["messages"]] == [
        [(0, "a"), (1, "ab")]
    ]
    assert [m["clientId"] for m in value["members"]] == ["alice"]
    assert show(world, "/inspect/channel", app="app", name="x")[0].status == 404


def test_traffic_is_shown_once_and_in_order(world):
    started(world)
    frames = msgspec.json.decode(show(world, "/inspect/traffic")[1])
    assert [f["action"] for f in frames][:4] == ["CONNECTED", "ATTACH", "ATTACHED", "PRESENCE"]
    assert msgspec.json.decode(show(world, "/inspect/traffic", after=str(frames[-1]["n"]))[1]) == []


def test_nothing_secret_is_shown(world):
    started(world).send(17, auth={"accessToken": "very-secret"})
    key = world.connected["connectionKey"]
    shown = b"".join(
        show(world, path)[1] for path in ("/inspect", "/inspect/state", "/inspect/traffic")
    ).decode()
    for secret in ("very-secret", key, "app.key:secret"):
        assert secret not in shown


def test_what_is_kept_is_bounded():
    traffic = Traffic()
    for _ in range(KEPT_FRAMES * 2):
        traffic.note(0, "k", '{"action":0,"id":"' + "x" * 10_000 + '"}', is_out=True)
    kept = traffic.after(0)
    assert len(kept) == KEPT_FRAMES
    assert len(kept[0]["text"]) == PREVIEW


def test_garbage_is_shown_as_such():
    traffic = Traffic()
    traffic.note(0, "k", b"\xc1", is_out=False)
    traffic.note(0, "k", "{", is_out=False)
    assert [f["action"] for f in traffic.after(0)] == ["?", "?"]


def test_other_names_for_this_machine_are_refused(world):
    started(world)
    for host, status in (
        ("localhost:8090", 200),
        ("[::1]:1", 200),
        ("127.0.0.1", 200),
        ("evil.example:8090", 403),
    ):
        call = Call(
            world.broker, "GET", "/inspect/state", query={}, headers={"host": host}, body=b""
        )
        assert inspection_reply(call, world.broker.traffic).status == status


def test_the_page_and_what_is_not_there(world):
    started(world)
    reply, body = show(world, "/inspect")
    assert reply.content_type.startswith("text/html")
    assert b"<title>Local broker</title>" in body
    assert show(world, "/inspect/nope")[0].status == 404
    assert show(world, "/inspect/state", method="POST")[0].status == 405
