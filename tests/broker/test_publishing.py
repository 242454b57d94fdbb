from __future__ import annotations

import pytest

from chat_transport.broker.capability import ALL, Capability
from chat_transport.broker.frames import Message, MessageAction, Version
from chat_transport.broker.identity import Identity
from chat_transport.broker.log import Record
from chat_transport.broker.publishing import (
    Author,
    check_append,
    check_ids,
    check_right,
    check_size,
    merge,
    stamp,
    with_claim,
)
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.settings import Limits


def identity(client_id="c", capability=ALL, **claims):
    return Identity(
        app_id="a", key_name="a.k", capability=capability, client_id=client_id, claims=claims
    )


def record(**fields):
    return Record(Message(serial="s", version=Version(serial="s"), action=0, **fields))


def refused(code, act, *args):
    with pytest.raises(Refusal) as caught:
        act(*args)
    assert caught.value.code == code
    return str(caught.value)


def test_the_size_limit_names_both_sizes():
    limits = Limits(max_message_size=10)
    check_size([Message(data="x" * 10)], limits)
    text = refused(40009, check_size, [Message(data="x" * 6), Message(name="y" * 5)], limits)
    assert text == "Maximum message length exceeded (size was 11 bytes, limit is 10 bytes)"
    refused(40000, check_size, [Message()] * 1000, Limits())


def test_an_append_may_make_a_message_longer_than_a_publish_unless_told_otherwise():
    long = record(data="x" * 100)
    check_append(long, Message(data="y"), Limits(max_message_size=50))
    refused(40009, check_append, long, Message(data="y"), Limits(max_aggregate_size=100))
    refused(
        40009,
        check_append,
        long,
        Message(data="y"),
        Limits(max_message_size=50, aggregate_counts=True),
    )


@pytest.mark.parametrize("ids", [["a:0", "a:2"], ["a:0", "b:1"], ["a:0", None], ["a", "a"]])
def test_ids_of_several_messages_count_from_zero(ids):
    refused(40031, check_ids, [Message(id=name) for name in ids])


def test_good_ids():
    assert check_ids([Message(), Message()]) == []
    assert check_ids([Message(id="anything")]) == ["anything"]
    assert check_ids([Message(id="a:0"), Message(id="a:1")]) == ["a:0", "a:1"]


def test_rights_to_change():
    own = Capability.parse('{"*":["message-update-own"]}')
    mine, others = record(client_id="c"), record(client_id="d")
    update, delete = MessageAction.UPDATE, MessageAction.DELETE
    check_right(identity(capability=own), update, mine, "x")
    check_right(identity(), delete, others, "x")
    refused(40160, check_right, identity(capability=own), update, others, "x")
    refused(40160, check_right, identity(capability=own), delete, mine, "x")
    refused(40166, check_right, identity("*", capability=own), update, mine, "x")
    publish = Capability.parse('{"*":["publish"]}')
    refused(40160, check_right, identity(capability=publish), MessageAction.APPEND, mine, "x")


def test_new_messages_are_stamped():
    serial = "01800000000000-000@aaaaaaaaaa"
    author = Author(identity(**{"ably.channel.*": "admin"}), "conn", "conn:3")
    (message,) = stamp(
        [Message(data="x", serial="forged", timestamp=1, extras={"userClaim": "forged", "h": 1})],
        ["c"],
        serial,
        author,
        "ch",
    )
    assert message == Message(
        id="conn:3:0",
        data="x",
        client_id="c",
        connection_id="conn",
        timestamp=1_800_000_000_000,
        extras={"h": 1, "userClaim": "admin"},
        serial=f"{serial}:000",
        action=0,
        version=Version(serial=f"{serial}:000", timestamp=1_800_000_000_000, client_id="c"),
    )


def test_what_a_change_leaves_out_is_carried_forward():
    known = record(name="n", data="old", encoding="json", extras={"a": 1}, client_id="creator")
    author, version = Author(identity(), "conn", "conn:9"), Version(serial="t")
    same = merge(known, Message(), MessageAction.UPDATE, version, author=author, channel="ch")
    assert (same.name, same.data, same.encoding, same.extras) == ("n", "old", "json", {"a": 1})
    assert (same.client_id, same.id, same.version) == ("creator", "conn:9:0", version)
    other = merge(
        known,
        Message(data="new", extras={}),
        MessageAction.UPDATE,
        version,
        author=author,
        channel="ch",
    )
    assert (other.data, other.encoding, other.extras) == ("new", None, {})
    delta = merge(
        known, Message(data="+"), MessageAction.APPEND, version, author=author, channel="ch"
    )
    assert (delta.data, delta.encoding, delta.name, delta.action) == ("+", "json", "n", 5)


def test_a_client_cannot_claim_for_itself():
    assert with_claim({"userClaim": "forged"}, None) == {}
    assert with_claim(None, None) is None
    assert with_claim(None, "real") == {"userClaim": "real"}
