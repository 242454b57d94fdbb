from __future__ import annotations

import base64
import json

PLAN = {
    "keys": [{}, {"capability": '{"c":["subscribe"]}'}, {"capability": {"d": ["*"]}}],
    "namespaces": [{"id": "plain"}, {"id": "rich", "persisted": True, "mutableMessages": True}],
    "channels": [
        {
            "name": "persisted:fixtures",
            "presence": [{"clientId": "a", "data": "x"}, {"clientId": "b"}],
        }
    ],
}


def test_an_app_comes_with_its_keys_namespaces_and_members(world, call):
    got = call("POST", "/apps", body=PLAN, auth=None, headers={"host": "127.0.0.1:8090"})
    app = got.value
    assert (got.status, app["endpoint"], app["port"], app["tls"]) == (201, "127.0.0.1", 8090, False)
    assert (len(app["keys"]), len(app["namespaces"])) == (3, 2)
    key = app["keys"][0]
    assert (
        key["keyStr"]
        == f"{app['appId']}.{key['id']}:{key['value']}"
        == f"{key['keyName']}:{key['keySecret']}"
    )
    assert [json.loads(k["capability"]) for k in app["keys"]] == [
        {"*": ["*"]},
        {"c": ["subscribe"]},
        {"d": ["*"]},
    ]
    peer = world.connect(key=key["keyStr"])
    peer.attach("persisted:fixtures")
    assert [m["clientId"] for m in peer.early[0]["presence"]] == ["a", "b"]
    (serial,) = peer.publish("plain:x", {"data": "a"})
    change = {"action": 1, "serial": serial, "data": "b"}
    assert peer.acked(15, "plain:x", messages=[change])["error"]["code"] == 93002


def test_an_app_is_deleted_under_its_own_key(world, call):
    app = call("POST", "/apps", body=PLAN, auth=None).value
    basic = "Basic " + base64.b64encode(app["keys"][0]["keyStr"].encode()).decode()
    assert call("DELETE", "/apps/app", auth=basic).code == 40101
    assert call("DELETE", f"/apps/{app['appId']}", auth=basic).status == 204
    assert app["appId"] not in world.broker.apps
    assert call("DELETE", f"/apps/{app['appId']}", auth=basic).code == 40101
