from __future__ import annotations


def test_a_batch_says_for_each_channel_what_became_of_it(call):
    body = {"channels": ["a", ":bad"], "messages": [{"data": "1"}, {"data": "2"}]}
    got = call("POST", "/messages", body=body)
    assert (got.value["successCount"], got.value["failureCount"]) == (1, 1)
    good, bad = got.value["results"]
    assert (good["channel"], len(good["serials"]), bad["error"]["code"]) == ("a", 2, 40010)
    assert len(call("GET", "/channels/a/messages").value) == 2


def test_a_list_of_batches_and_the_older_flat_form(call):
    spec = {"channels": "a", "messages": {"data": "1"}}
    assert [r["successCount"] for r in call("POST", "/messages", body=[spec, spec]).value] == [1, 1]
    flat = call("POST", "/messages", body=spec, headers={"x-ably-version": "2"}).value
    assert [result["channel"] for result in flat] == ["a"]


def test_too_many_channels(call):
    body = {"channels": [str(n) for n in range(101)], "messages": {}}
    assert call("POST", "/messages", body=body).code == 40000


def test_presence_of_many_channels(world, call):
    peer = world.connect(clientId="c")
    peer.attach("a")
    peer.acked(14, "a", presence=[{"action": 2}])
    got = call("GET", "/presence", channels="a,b,:x").value
    assert [len(r.get("presence", [])) for r in got["results"]] == [1, 0, 0]
    assert got["failureCount"] == 1
