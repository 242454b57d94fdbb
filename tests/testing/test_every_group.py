from __future__ import annotations

import pytest

from chat_transport.testing._every_group import EVERY_CHECK
from chat_transport.testing._vector_tools import VectorFailed


def test_every_kind_of_case_has_its_check():
    assert {"reduce", "sse", "predicates", "requests", "websocket", "chat"} <= EVERY_CHECK.keys()


def test_a_difference_fails_the_case():
    case = {
        "config": {},
        "steps": [],
        "trace": [],
        "final_messages": [],
        "final_status": "error",
        "ids_generated": 0,
    }
    with pytest.raises(VectorFailed, match="final status: got 'ready', expected 'error'"):
        EVERY_CHECK["chat"](case)
    EVERY_CHECK["chat"]({**case, "final_status": "ready"})
