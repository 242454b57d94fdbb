from __future__ import annotations

import pytest

from chat_transport.errors import LocalProtocolError
from chat_transport.transports.ably.ai_transport import AiTransportWire
from chat_transport.transports.ably.turns import ResponseWire, TokenWire
from chat_transport.transports.ably.wires import WIRE_NAMES, wire_of


def test_without_a_wish_it_is_the_wire_of_ai_transport():
    assert wire_of(None) == wire_of("ai-transport") == AiTransportWire()


def test_a_wire_is_chosen_by_name_or_given():
    assert wire_of("message-per-response") == ResponseWire()
    own = TokenWire()
    assert wire_of(own) is own


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(LocalProtocolError, match="message-per-token"):
        wire_of("morse")


@pytest.mark.parametrize("name", WIRE_NAMES)
def test_every_wire_makes_both_ends_and_says_what_it_drops(name):
    wire = wire_of(name)
    ids = iter("abc")
    assert wire.client(client_id="alice", new_id=lambda: next(ids)).messages() == []
    assert wire.agent(client_id="agent", new_id=lambda: next(ids)).active_runs() == []
    assert wire.drops == (frozenset() if name == "ai-transport" else wire.drops)
    assert name == "ai-transport" or not wire.branches
