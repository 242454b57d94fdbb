from __future__ import annotations

import pytest

from chat_transport.broker.capability import ALL
from chat_transport.broker.identity import Identity, resolve_client_id
from chat_transport.broker.refusal import Refusal


def identity(client_id, **claims):
    return Identity(app_id="a", key_name="a.k", capability=ALL, client_id=client_id, claims=claims)


@pytest.mark.parametrize(
    ("is_token", "granted", "asked", "result"),
    [
        (False, None, None, "*"),
        (False, None, "c", "c"),
        (False, None, "*", "*"),
        (True, None, None, None),
        (True, "c", None, "c"),
        (True, "c", "c", "c"),
        (True, "*", None, "*"),
        (True, "*", "c", "c"),
    ],
)
def test_the_table_of_client_ids(is_token, granted, asked, result):
    assert resolve_client_id(granted, asked, is_token=is_token) == result


@pytest.mark.parametrize(("granted", "asked"), [(None, "c"), ("c", "d")])
def test_a_token_does_not_lend_another_name(granted, asked):
    with pytest.raises(Refusal) as caught:
        resolve_client_id(granted, asked, is_token=True)
    assert (caught.value.code, caught.value.status) == (40102, 401)


@pytest.mark.parametrize(
    ("own", "given", "result"),
    [("c", None, "c"), ("c", "c", "c"), ("*", "x", "x"), ("*", None, None), (None, None, None)],
)
def test_messages_bear_the_right_name(own, given, result):
    assert identity(own).client_id_for(given) == result


@pytest.mark.parametrize(("own", "given"), [("c", "d"), (None, "c"), ("*", "*")])
def test_messages_bear_no_foreign_name(own, given):
    with pytest.raises(Refusal) as caught:
        identity(own).client_id_for(given)
    assert caught.value.code == 40012


def test_the_most_specific_claim_wins():
    caller = identity(
        "c", **{"ably.channel.*": "any", "ably.channel.ai:*": "ns", "ably.channel.ai:1": 7}
    )
    assert [caller.user_claim(name) for name in ("x", "ai:2", "ai:1")] == ["any", "ns", "7"]
    assert identity("c").user_claim("x") is None


def test_a_wildcard_is_nobody_in_particular():
    assert identity("*").concrete_client_id is None
    assert identity("c").concrete_client_id == "c"
