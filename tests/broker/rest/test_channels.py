from __future__ import annotations

import base64
from urllib.parse import parse_qsl, quote

import pytest

from chat_transport.broker import FaultSettings


def path_of(serial, tail=""):
    return f"/channels/c/messages/{quote(serial, safe='')}{tail}"


def test_publish_says_where_and_under_which_serials(call):
    got = call(
        "POST", "/channels/c/messages", body=[{"data": "1"}, {"data": "2", "clientId": "bob"}]
    )
    assert (got.status, got.value["channel"], len(got.value["serials"])) == (201, "c", 2)
    newest, oldest = call("GET", "/channels/c/messages").value
    assert [oldest["serial"], newest["serial"]] == got.value["serials"]
    assert oldest["id"] == f"{got.value['messageId']}:0"
    assert newest["clientId"] == "bob"
    assert "connectionId" not in newest


def test_a_switch_refuses_a_page_of_history_and_counts_all(world, call):
    world.broker.faults.reject("history", times=1, code=50000, status=500)
    assert call("GET", "/channels/c/messages").status == 500
    assert call("GET", "/channels/c/messages").status == 200
    assert world.broker.faults.asked["history"] == 2


def test_the_same_id_is_published_once(call):
    for _ in range(2):
        got = call("POST", "/channels/c/messages", body={"id": "base:0", "data": "1"})
        assert got.value["messageId"] == "base"
    assert len(call("GET", "/channels/c/messages").value) == 1


def test_publish_for_a_connection(world, call):
    world.connect()
    body = {"data": "x", "connectionKey": world.connected["connectionKey"]}
    call("POST", "/channels/c/messages", body=body)
    (message,) = call("GET", "/channels/c/messages").value
    assert message["connectionId"] == world.connected["connectionId"]
    assert "connectionKey" not in message
    body["connectionKey"] = "forged"
    assert call("POST", "/channels/c/messages", body=body).code == 40006


def test_every_page_is_reached_by_links(world, call):
    peer = world.connect()
    for number in range(7):
        peer.publish("c", {"data": str(number)})
    for direction, expected in (("forwards", "0123456"), ("backwards", "6543210")):
        seen, query = "", {"limit": "3", "direction": direction}
        while query:
            got = call("GET", "/channels/c/messages", **query)
            seen += "".join(message["data"] for message in got.value)
            assert got.link("first").startswith("./messages?")
            target = got.link("next")
            query = dict(parse_qsl(target.partition("?")[2])) if target else None
        assert seen == expected


@pytest.mark.parametrize("name", ["fromSerial", "from_serial"])
def test_history_until_attach(world, call, name):
    alice, bob = world.connect(), world.connect()
    alice.publish("c", {"data": "1"})
    serial = bob.attach("c")["channelSerial"]
    alice.publish("c", {"data": "2"})
    assert [m["data"] for m in call("GET", "/channels/c/messages", **{name: serial}).value] == ["1"]
    got = call("GET", "/channels/c/messages", direction="forwards", **{name: serial})
    assert got.code == 40000
    assert call("GET", "/channels/c/messages", **{name: "garbage"}).code == 40003


def test_history_until_attach_can_be_refused_after_its_window(world, call):
    world.connect().publish("c", {"data": "x"})
    world.advance(600_000)
    serial = world.connect().attach("c")["channelSerial"]
    world.broker.faults.update(FaultSettings(until_attach_window_ms=120_000))
    assert call("GET", "/channels/c/messages", fromSerial=serial).status == 200
    world.advance(120_001)
    assert call("GET", "/channels/c/messages", fromSerial=serial).code == 90008


def test_history_gives_the_newest_version_in_the_place_of_the_create(world, call):
    peer = world.connect()
    (first,) = peer.publish("c", {"data": "a"})
    peer.publish("c", {"data": "z"})
    peer.publish("c", {"action": 5, "serial": first, "data": "b"})
    messages = call("GET", "/channels/c/messages").value
    assert [(m["data"], m["action"]) for m in messages] == [("z", 0), ("ab", 1)]


def test_get_change_and_versions(call):
    (serial,) = call("POST", "/channels/c/messages", body={"name": "n", "data": "a"}).value[
        "serials"
    ]
    for body in ({"action": 1, "data": "b"}, {"action": 5, "data": "c"}, {"action": 2}):
        got = call("PATCH", path_of(serial), body=body)
        assert got.status == 200
    assert call("GET", path_of(serial)).value["version"]["serial"] == got.value["versionSerial"]
    versions = call("GET", path_of(serial, "/versions"))
    assert [(m["action"], m["data"]) for m in versions.value] == [
        (0, "a"),
        (1, "b"),
        (1, "bc"),
        (2, "bc"),
    ]
    backwards = call("GET", path_of(serial, "/versions"), direction="backwards", limit="1")
    assert (backwards.value[0]["action"], bool(backwards.link("next"))) == (2, True)


def test_unknown_messages_and_actions(call):
    assert call("GET", path_of("nope")).status == 404
    assert call("PATCH", path_of("nope"), body={"action": 5, "data": "x"}).code == 40400
    assert call("PATCH", path_of("nope"), body={"data": "x"}).code == 40003


def test_presence_and_its_history(world, call):
    peer = world.connect()
    peer.attach("c")
    for name in "ab":
        peer.acked(14, "c", presence=[{"action": 2, "clientId": name, "data": name}])
    peer.acked(14, "c", presence=[{"action": 3, "clientId": "a"}])
    (member,) = call("GET", "/channels/c/presence").value
    assert (member["clientId"], member["action"]) == ("b", 1)
    assert call("GET", "/channels/c/presence", clientId="x").value == []
    history = call("GET", "/channels/c/presence/history", direction="forwards")
    assert [(e["action"], e["clientId"]) for e in history.value] == [(2, "a"), (2, "b"), (3, "a")]
    page = call("GET", "/channels/c/presence/history", limit="2")
    assert [e["action"] for e in page.value] == [3, 2]
    assert page.link("next")
    assert call("GET", "/channels/c/presence/history", end="1").value == []


def test_status(world, call):
    world.connect().attach("c")
    world.connect().attach("c", params={"modes": "publish"})
    status = call("GET", "/channels/c").value["status"]
    assert status["isActive"]
    assert status["occupancy"]["metrics"] == {
        "connections": 2,
        "publishers": 2,
        "subscribers": 1,
        "presenceConnections": 1,
        "presenceMembers": 0,
        "presenceSubscribers": 1,
    }


def test_annotations(call):
    (serial,) = call("POST", "/channels/c/messages", body={"data": "a"}).value["serials"]
    body = {"type": "r:total.v1", "action": 0}
    got = call("POST", path_of(serial, "/annotations"), body=[body, body])
    assert (got.status, len(got.value["serials"])) == (201, 2)
    listed = call("GET", path_of(serial, "/annotations"), limit="1")
    assert (listed.value[0]["type"], bool(listed.link("next"))) == ("r:total.v1", True)
    summary = call("GET", path_of(serial)).value["annotations"]["summary"]
    assert summary == {"r:total.v1": {"total": 2}}


def test_a_forced_nack(call):
    got = call("POST", "/channels/c/messages", body={"data": "a"}, _forceNack="true")
    assert got.code == 40099


def test_no_credentials_no_answer(call):
    for method, path in (
        ("GET", "/channels/c/messages"),
        ("POST", "/channels/c/messages"),
        ("GET", "/channels/c"),
        ("GET", "/channels/c/presence"),
    ):
        got = call(method, path, auth=None)
        assert (got.status, got.code) == (401, 40101)


def test_wrong_keys_are_told_apart(call):
    def got(text):
        basic = "Basic " + base64.b64encode(text.encode()).decode()
        answer = call("GET", "/channels/c/messages", auth=basic)
        return answer.status, answer.code

    assert got("app.key:wrong") == (401, 40101)
    assert got("app.none:secret") == (401, 40400)
    assert got("none.key:secret") == (401, 40101)
