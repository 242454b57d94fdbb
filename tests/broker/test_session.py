from __future__ import annotations

import pytest

from chat_transport.broker.signing import sign_jwt
from chat_transport.broker.tokens import TokenRequest, grant_token


def token(world, ttl_ms=3_600_000, **request):
    key = world.broker.apps["app"].keys["app.key"]
    return grant_token(TokenRequest(ttl=ttl_ms, **request), key, world.now).token


def test_connected_says_what_both_sdks_need(world):
    world.connect(clientId="c")
    details = world.connected["connectionDetails"]
    assert details.pop("connectionKey") == world.connected["connectionKey"]
    assert details == {
        "clientId": "c",
        "maxMessageSize": 65536,
        "maxFrameSize": 524288,
        "maxInboundRate": 1000,
        "connectionStateTtl": 120000,
        "maxIdleInterval": 15000,
        "serverId": "local",
        "siteCode": "local",
    }
    assert "error" not in world.connected


def test_a_heartbeat_comes_when_nothing_else_did(world):
    peer = world.connect()
    world.advance(13_999)
    assert peer.frames() == []
    world.advance(1)
    assert peer.frames() == [{"action": 0}]
    world.advance(10_000)
    peer.send(0, id="x")
    peer.frames()
    world.advance(13_999)
    assert peer.frames() == []
    world.advance(1)
    assert peer.frames() == [{"action": 0}]


@pytest.mark.parametrize(("asked", "given"), [("5000", 5000), ("1", 5000), ("9999999", 1_800_000)])
def test_the_heartbeat_interval_is_negotiable(world, asked, given):
    world.connect(heartbeatInterval=asked)
    assert world.connected["connectionDetails"]["maxIdleInterval"] == given


def test_a_closed_socket_has_no_timers(world):
    peer = world.connect(clientId="c")
    peer.send(7)
    peer.session.lost()
    world.advance(20_000)
    due = world.broker.timers.next_due_ms()
    assert due is not None
    assert due - world.now <= 10_000
    assert len(world.broker.timers._heap) == 1


def test_a_token_is_renewed_in_time_or_ends_the_connection(world):
    peer = world.connect(accessToken=token(world, 60_000))
    world.advance(29_999)
    peer.frames(0)
    world.advance(1)
    assert peer.frames() == [{"action": 17}]
    world.advance(30_000)
    (*_, last) = peer.frames()
    assert (last["action"], last["error"]["code"], last["error"]["statusCode"]) == (6, 40142, 401)
    assert peer.is_closed


def test_auth_is_answered_by_connected_and_moves_the_end(world):
    peer = world.connect(accessToken=token(world, 60_000, client_id="c"))
    before = world.connected["connectionId"]
    world.advance(40_000)
    peer.frames()
    peer.send(17, auth={"accessToken": token(world, 600_000, client_id="c")})
    (connected,) = peer.frames()
    assert (connected["action"], connected["connectionId"]) == (4, before)
    world.advance(60_000)
    assert not peer.is_closed


@pytest.mark.parametrize(
    ("change", "action", "code"),
    [({"client_id": "d"}, 9, 40102), ({}, 9, 40102), ({"client_id": "c", "ttl_ms": -1}, 6, 40142)],
)
def test_auth_as_someone_else_or_too_late(world, change, action, code):
    peer = world.connect(accessToken=token(world, client_id="c"))
    ttl = change.pop("ttl_ms", 1000)
    new = token(world, max(ttl, 1), **change)
    if ttl < 0:
        world.advance(10)
        peer.frames()
    peer.send(17, auth={"accessToken": new})
    (*_, last) = peer.frames()
    assert (last["action"], last["error"]["code"]) == (action, code)
    assert peer.is_closed


def test_auth_without_a_token_fails_the_connection(world):
    peer = world.connect()
    peer.send(17, auth={})
    assert peer.frames()[0]["error"]["code"] == 40101


def test_a_wildcard_token_keeps_the_name_that_was_chosen(world):
    peer = world.connect(accessToken=token(world, client_id="*"), clientId="chosen")
    peer.send(17, auth={"accessToken": token(world, client_id="*")})
    (connected,) = peer.frames()
    assert connected["connectionDetails"]["clientId"] == "chosen"


def test_lost_rights_fail_their_channels_and_new_ones_count(world):
    peer = world.connect(accessToken=token(world, capability='{"a":["subscribe"],"b":["*"]}'))
    peer.attach("a")
    peer.attach("b")
    assert peer.acked(15, "a", messages=[{"data": "x"}])["error"]["code"] == 40160
    peer.send(17, auth={"accessToken": token(world, capability='{"a":["subscribe","publish"]}')})
    connected, error = peer.frames()
    assert connected["action"] == 4
    assert (error["action"], error["channel"], error["error"]["code"]) == (9, "b", 40160)
    peer.publish("a", {"data": "x"})


def test_a_lost_socket_keeps_members_for_a_while(world):
    alice, bob = world.connect(clientId="alice", remainPresentFor="3000"), world.connect()
    alice.attach("c")
    bob.attach("c")
    alice.acked(14, "c", presence=[{"action": 2}])
    bob.frames()
    alice.session.lost()
    world.advance(2_999)
    assert bob.frames(14) == []
    world.advance(1)
    assert [f["presence"][0]["action"] for f in bob.frames(14)] == [3]


def test_coming_back_in_time_emits_nothing(world):
    alice, bob = world.connect(clientId="alice"), world.connect()
    alice.attach("c")
    key = None
    bob.attach("c")
    alice.acked(14, "c", presence=[{"action": 2}])
    key = world.broker.connection_key(alice.session.connection)
    alice.session.lost()
    world.advance(10_000)
    world.connect(resume=key, clientId="alice")
    world.advance(30_000)
    assert [f["presence"][0]["action"] for f in bob.frames(14)] == [2]


def test_delayed_frames_keep_their_order(world):
    peer = world.connect()
    world.broker.faults.settings.delay_ms = 100
    peer.send(0, id="1")
    peer.send(0, id="2")
    assert peer.frames() == []
    world.advance(100)
    assert [f["id"] for f in peer.frames()] == ["1", "2"]


def test_double_acks(world):
    peer = world.connect()
    world.broker.faults.settings.double_acks = True
    peer.send(15, channel="c", msgSerial=0, messages=[{"data": "x"}])
    first, second = peer.frames()
    assert first == second


def test_fractional_times_in_a_jwt(world):
    now = world.now / 1000
    jwt = sign_jwt({"iat": now - 0.5, "exp": now + 1.5}, key_name="app.key", secret="secret")
    peer = world.connect(accessToken=jwt)
    world.advance(1499)
    assert not peer.is_closed
    world.advance(1)
    assert peer.is_closed
