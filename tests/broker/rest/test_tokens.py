from __future__ import annotations

import base64
import hashlib
import hmac


def signed(world, **changes):
    fields = {
        "keyName": "app.key",
        "ttl": 60_000,
        "capability": '{"c":["subscribe"]}',
        "clientId": "bob",
        "timestamp": world.now,
        "nonce": "0123456789abcdef",
    } | changes
    text = "".join(f"{value}\n" for value in fields.values())
    mac = base64.b64encode(hmac.new(b"secret", text.encode(), hashlib.sha256).digest()).decode()
    return fields | {"mac": mac}


def test_a_signed_request_gives_a_token_that_works(world, call):
    got = call("POST", "/keys/app.key/requestToken", body=signed(world), auth=None)
    assert got.status == 201
    assert {
        k: got.value[k] for k in ("keyName", "issued", "expires", "capability", "clientId")
    } == {
        "keyName": "app.key",
        "issued": world.now,
        "expires": world.now + 60_000,
        "capability": '{"c":["subscribe"]}',
        "clientId": "bob",
    }
    peer = world.connect(accessToken=got.value["token"])
    peer.attach("c")
    assert peer.acked(15, "c", messages=[{"data": "x"}])["error"]["code"] == 40160


def test_a_request_counts_once(world, call):
    body = signed(world)
    assert call("POST", "/keys/app.key/requestToken", body=body, auth=None).status == 201
    assert call("POST", "/keys/app.key/requestToken", body=body, auth=None).code == 40105
    world.advance(600_000)
    fresh = signed(world, nonce="x" * 16)
    assert call("POST", "/keys/app.key/requestToken", body=fresh, auth=None).status == 201
    assert len(world.broker.used_nonces) == 1


def test_the_key_itself_needs_no_signature(call):
    assert call("POST", "/keys/app.key/requestToken", body={}).status == 201


def test_refused_requests(world, call):
    assert call("POST", "/keys/app.key/requestToken", body={}, auth=None).code == 40101
    assert call("POST", "/keys/app.none/requestToken", body={}).code == 40101
    assert call("POST", "/keys/none.key/requestToken", body={}).code == 40400
    assert call("POST", "/keys/app.key/requestToken", body={"keyName": "app.x"}).code == 40101
    forged = signed(world) | {"clientId": "eve"}
    assert call("POST", "/keys/app.key/requestToken", body=forged, auth=None).code == 40101
    token = call("POST", "/keys/app.key/requestToken", body={}).value["token"]
    again = call("POST", "/keys/app.key/requestToken", body={}, auth=f"Bearer {token}")
    assert again.code == 40101
