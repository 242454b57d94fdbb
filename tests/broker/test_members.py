from __future__ import annotations

import pytest

from chat_transport.broker.frames import Presence, PresenceAction
from chat_transport.broker.members import Members
from chat_transport.broker.refusal import Refusal


def event(action, client="c", connection="k", data=None):
    return Presence(action, client_id=client, connection_id=connection, data=data)


def test_members_come_and_go():
    members = Members(10)
    assert members.apply(event(PresenceAction.ENTER, data="1"))
    assert members.apply(event(PresenceAction.UPDATE, data="2"))
    assert members.apply(event(PresenceAction.ENTER, connection="other"))
    assert len(members) == 2
    assert [(m.action, m.data) for m in members.present(connection_id="k")] == [(1, "2")]
    assert len(members.present(client_id="c")) == 2
    assert members.of("k") == [("k", "c")]
    assert members.apply(event(PresenceAction.LEAVE))
    assert not members.apply(event(PresenceAction.LEAVE))
    assert ("k", "c") not in members
    assert ("other", "c") in members


def test_a_full_channel_takes_no_more_members():
    members = Members(1)
    members.apply(event(PresenceAction.ENTER))
    members.apply(event(PresenceAction.ENTER))
    with pytest.raises(Refusal) as caught:
        members.apply(event(PresenceAction.ENTER, client="d"))
    assert caught.value.code == 91003
