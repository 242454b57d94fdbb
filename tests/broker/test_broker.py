from __future__ import annotations

import pytest

from chat_transport.broker import ApiKey, Broker, FaultSettings, Limits
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.signing import sign_jwt


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [
        ({"key": "app.key:wrong"}, 40101, 401),
        ({"key": "app.other:secret"}, 40101, 401),
        ({"key": "none.key:secret"}, 40101, 401),
        ({"key": "garbage"}, 40101, 401),
        ({"key": ""}, 40101, 401),
        ({"accessToken": "garbage"}, 40101, 401),
        ({"accessToken": "a.b.c"}, 40144, 401),
        ({"v": "1"}, 40017, 400),
        ({"v": "x"}, 40017, 400),
    ],
)
def test_what_is_wrong_with_a_socket_is_said_inside_it(world, query, code, status):
    peer = world.open(**query)
    (error,) = peer.frames()
    assert (error["action"], error["error"]["code"], error["error"]["statusCode"]) == (
        9,
        code,
        status,
    )
    assert "channel" not in error
    assert peer.is_closed
    peer.session.lost()


def test_resume_gives_the_same_connection_and_another_key(world):
    peer = world.connect()
    first = world.connected
    peer.session.lost()
    world.advance(60_000)
    world.connect(resume=first["connectionKey"])
    assert world.connected["connectionId"] == first["connectionId"]
    assert world.connected["connectionKey"] != first["connectionKey"]
    assert "error" not in world.connected


def test_resume_while_the_old_socket_is_open_takes_over(world):
    old = world.connect()
    old.attach("c")
    new = world.connect(resume=world.connected["connectionKey"])
    assert old.is_closed
    new.publish("c", {"data": "x"})
    assert old.frames() == []
    old.session.lost()
    assert new.session.connection.session is new.session


@pytest.mark.parametrize("key", ["garbage", "", "abc!def-GHI"])
def test_an_invalid_key_gives_a_new_connection_and_says_so(world, key):
    world.connect(recover=key)
    code = world.connected.get("error", {}).get("code")
    assert code == (80018 if key else None)


def test_a_key_that_is_too_old_gives_a_new_connection(world):
    peer = world.connect()
    first = world.connected
    peer.session.lost()
    world.advance(120_001)
    world.connect(resume=first["connectionKey"])
    assert world.connected["error"]["code"] == 80008
    assert world.connected["connectionId"] != first["connectionId"]


def test_after_a_restart_the_connection_keeps_its_id(new_world):
    before, after = new_world(), new_world()
    before.connect()
    after.connect(resume=before.connected["connectionKey"])
    assert after.connected["connectionId"] == before.connected["connectionId"]
    assert "error" not in after.connected


def test_nobody_resumes_the_connection_of_another_client_or_app(new_world):
    world = new_world(keys=["app.key:secret", "two.key:other"])
    world.connect(clientId="alice")
    key = world.connected["connectionKey"]
    (error,) = world.open(resume=key, clientId="bob").frames()
    assert error["error"]["code"] == 40102
    world.connect(resume=key, key="two.key:other")
    assert world.connected["error"]["code"] == 80018


def test_apps_are_apart(new_world):
    world = new_world(keys=["app.key:secret", "two.key:other"])
    one, two = world.connect(), world.connect(key="two.key:other")
    two.attach("c")
    one.publish("c", {"data": "x"})
    assert two.frames() == []
    world.broker.remove_app("two")
    assert two.is_closed
    assert world.open(key="two.key:other").frames()[0]["error"]["code"] == 40101


def test_dropped_sockets_lose_what_waits_and_nothing_else(world):
    alice, bob = world.connect(), world.connect()
    cursor = bob.attach("c")["channelSerial"]
    alice.publish("c", {"data": "x"})
    assert world.broker.faults.drop_sockets(bob.session.connection_id) == 1
    assert (bob.frames(), bob.is_closed, alice.is_closed) == ([], True, False)
    late = world.connect()
    late.attach("c", channelSerial=cursor)
    assert len(late.early) == 1
    assert world.broker.faults.drop_sockets() == 2


def test_forgotten_connections_cannot_be_resumed(world):
    world.connect()
    key = world.connected["connectionKey"]
    assert world.broker.faults.forget_connections() == 1
    world.connect(resume=key)
    assert world.connected["error"]["code"] == 80008


def test_tokens_can_be_made_to_expire(world):
    jwt = sign_jwt({"iat": 1, "exp": 2**33}, key_name="app.key", secret="secret")
    peer, other = world.connect(accessToken=jwt), world.connect()
    assert world.broker.faults.expire_tokens() == 1
    assert peer.frames()[0]["error"]["code"] == 40142
    assert (peer.is_closed, other.is_closed) == (True, False)


def test_held_frames_go_out_in_order_when_released(world):
    peer = world.connect()
    world.broker.faults.update(FaultSettings(hold=True))
    peer.send(0, id="1")
    late = world.open()
    assert (peer.frames(), late.frames()) == ([], [])
    world.broker.faults.clear()
    assert peer.frames() == [{"action": 0, "id": "1"}]
    assert late.frames()[0]["action"] == 4


def test_the_sweep_forgets_old_messages_and_idle_channels(new_world):
    world = new_world(
        limits=Limits(history_retention_ms=1000, stream_retention_ms=1000, idle_channel_ms=5000)
    )
    peer = world.connect()
    for number in range(100):
        peer.publish(f"c{number}", {"data": "x"})
    cursor = peer.attach("c5")["channelSerial"]
    world.advance(60_000)
    assert list(world.broker.apps["app"].channels) == ["c5"]
    peer.send(12, channel="c5")
    peer.frames()
    world.advance(20_000)
    assert world.broker.apps["app"].channels == {}
    assert "error" not in world.connect().attach("c5", channelSerial=cursor)


def test_forgotten_connections_are_remembered_in_bounded_number(world):
    for _ in range(300):
        world.connect().send(7)
    assert world.broker.connections == {}
    assert len(world.broker._forgotten) == 300


def test_a_key_of_a_connection_lets_rest_publish_for_it(world):
    world.connect()
    app = world.broker.apps["app"]
    key = world.connected["connectionKey"]
    assert world.broker.connection_of_key(app, key).id == world.connected["connectionId"]
    with pytest.raises(Refusal) as caught:
        world.broker.connection_of_key(app, key + "x")
    assert caught.value.code == 40006


def test_keys_may_have_less_than_every_right(new_world):
    from chat_transport.broker.capability import Capability

    narrow = ApiKey("app.ro", "s", Capability.parse('{"*":["subscribe"]}'))
    world = new_world(keys=["app.key:secret", narrow])
    peer = world.connect(key="app.ro:s")
    assert peer.acked(15, "c", messages=[{"data": "x"}])["error"]["code"] == 40160
    peer.attach("c")


def test_a_broker_needs_well_formed_keys():
    with pytest.raises(ValueError, match=r"app\.key:secret"):
        Broker(["nonsense"])


def test_a_slow_reader_is_cut_and_heals_by_resume(new_world):
    world = new_world(limits=Limits(outbound_bytes=50_000))
    alice, bob = world.connect(), world.connect()
    cursor = bob.attach("c")["channelSerial"]
    for number in range(200):
        alice.publish("c", {"data": f"{number}" + "x" * 400})
    assert bob.is_closed
    assert bob.frames() == []
    late = world.connect()
    late.attach("c", channelSerial=cursor)
    assert [f["messages"][0]["data"].rstrip("x") for f in late.early] == [
        str(n) for n in range(200)
    ]
    assert not late.is_closed
