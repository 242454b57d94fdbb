from __future__ import annotations


def test_switches_are_read_set_and_cleared(world, call):
    got = call("PUT", "/admin/faults", body={"delayMs": 5, "aggregates": 1})
    assert got.value["settings"]["delayMs"] == 5
    assert world.broker.faults.settings.aggregates == 1
    assert call("GET", "/admin/faults").value == got.value
    call("DELETE", "/admin/faults")
    assert world.broker.faults.settings.delay_ms == 0


def test_single_acts(world, call):
    peer = world.connect()
    name = peer.session.connection_id
    assert call("POST", "/admin/faults/drop", body={"connectionId": name}).value == {"dropped": 1}
    assert call("POST", "/admin/faults/expire", body={}).value == {"expired": 0}
    assert call("POST", "/admin/faults/forget", body={}).value == {"forgotten": 1}
    assert call("POST", "/admin/faults/explode", body={}).code == 40400


def test_rejections(world, call):
    call(
        "POST",
        "/admin/faults/reject",
        body={"kind": "publish", "every": 2, "code": 42913, "status": 429},
    )
    statuses = [call("POST", "/channels/c/messages", body={}).status for _ in range(4)]
    assert statuses == [201, 429, 201, 429]
    assert call("POST", "/admin/faults/reject", body={"kind": "publish", "every": 0}).code == 40000


def test_only_a_whole_key_may_turn_switches(call):
    token = call("POST", "/keys/app.key/requestToken", body={}).value["token"]
    assert call("GET", "/admin/faults", auth=f"Bearer {token}").code == 40160
    assert call("GET", "/admin/faults", auth=None).code == 40101


def test_unavailable_is_503_and_can_be_turned_off(call):
    call("PUT", "/admin/faults", body={"unavailable": True})
    assert call("GET", "/time").status == 503
    call("DELETE", "/admin/faults")
    assert call("GET", "/time").status == 200
