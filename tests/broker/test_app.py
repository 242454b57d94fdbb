from __future__ import annotations

import pytest

from chat_transport.broker import Namespace
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
