from __future__ import annotations

import pytest

from chat_transport.broker import Limits, Namespace
from chat_transport.broker.refusal import Refusal


def test_a_channel_has_the_rules_of_its_namespace(new_world):
    world = new_world(
        namespaces=[Namespace("plain")], undeclared=Namespace("", mutable_messages=True)
    )
    app = world.broker.apps["app"]
    for name, is_mutable in (("plain:x", False), ("plain", False), ("x", True), ("rich:x", True)):
        assert app.channel(name).namespace.mutable_messages is is_mutable
    assert app.channel("x") is app.channel("x")


def test_only_names_make_channels(world):
    app = world.broker.apps["app"]
    with pytest.raises(Refusal):
        app.channel(":x")
    assert app.channels == {}


def test_the_secret_is_that_of_the_keys(new_world):
    one, same = new_world().broker.apps["app"], new_world().broker.apps["app"]
    other = new_world(keys=["app.key:other"]).broker.apps["app"]
    assert one.secret == same.secret != other.secret


def test_an_unknown_key(world):
    with pytest.raises(Refusal) as caught:
        world.broker.apps["app"].key("app.none")
    assert caught.value.code == 40101


def test_many_forgotten_channels_are_remembered_by_one_horizon(world, monkeypatch):
    monkeypatch.setattr("chat_transport.broker.app.REMEMBERED_HEADS", 2)
    app, peer = world.broker.apps["app"], world.connect()
    serials = {}
    for name in "abcd":
        serials[name] = peer.attach(name)["channelSerial"]
        peer.send(12, channel=name)
        peer.frames()
        world.advance(310_000)
    assert app.channels == {}
    assert len(app._heads) == 2
    assert "error" not in peer.attach("d", channelSerial=serials["d"])
    assert peer.attach("a", channelSerial=serials["a"])["error"]["code"] == 90003


def test_an_app_that_weighs_too_much_forgets_the_oldest_of_its_largest_channels(new_world):
    world = new_world(limits=Limits(app_bytes=100_000))
    peer, app = world.connect(), world.broker.apps["app"]
    for number in range(100):
        peer.publish("large", {"data": f"{number}" + "x" * 1000})
        peer.publish("small", {"data": "x"})
    world.advance(10_000)
    assert sum(channel.log.bytes for channel in app.channels.values()) <= 100_000
    kept = [record.current.data[:2] for record in app.channel("large").log.records.values()]
    assert kept[-1] == "99"
    assert 0 < len(kept) < 100
    assert len(app.channel("small").log.records) == 100


def test_channels_and_apps_are_bounded_in_number(new_world):
    world = new_world(limits=Limits(channels_per_app=2, apps=2))
    app = world.broker.apps["app"]
    app.channel("a"), app.channel("b"), app.channel("a")
    with pytest.raises(Refusal) as caught:
        app.channel("c")
    assert caught.value.code == 42910
    world.broker.add_app("two", [])
    with pytest.raises(Refusal):
        world.broker.add_app("three", [])


def test_a_provisioned_app_leaves_nothing_in_the_store(new_world, tmp_path):
    world = new_world(data=tmp_path / "b.sqlite")
    app = world.broker.add_app("new", [], is_kept=False)
    app.channel("c")
    assert world.broker.store.channels("new") == []
    assert world.broker.store.mark("horizon new", "none") == "none"
    world.broker.close()
