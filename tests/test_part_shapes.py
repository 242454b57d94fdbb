from __future__ import annotations

import pytest

from chat_transport._part_shapes import read_part, tool_name

CALL = {"type": "tool-f", "toolCallId": "c", "input": 1}


def test_unknown_keys_are_dropped_also_in_approvals():
    part = {**CALL, "state": "approval-requested", "approval": {"id": "p", "x": 1}, "y": 2}
    assert read_part(part) == {**CALL, "state": "approval-requested", "approval": {"id": "p"}}


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (None, "expected an object"),
        ({"type": 1}, "expected an object"),
        ({"type": "novel"}, "unknown type 'novel'"),
        ({**CALL, "state": "thinking"}, "unknown tool state 'thinking'"),
        ({**CALL, "state": "input-available", "output": None}, "`output` has no place"),
        ({**CALL, "state": "approval-requested", "approval": {"id": "p", "reason": "r"}}, "does not fit"),
        ({**CALL, "state": "approval-responded", "approval": {"id": "p"}}, "does not fit"),
        ({**CALL, "state": "output-denied", "approval": {"id": "p", "approved": True}}, "does not fit"),
        ({**CALL, "state": "output-denied"}, "missing required field `approval`"),
        ({**CALL, "type": "dynamic-tool", "state": "input-available"}, "`toolName`"),
        ({**CALL, "type": "dynamic-tool", "toolName": "f", "dynamic": True, "state": "input-available"}, "only be false"),
        ({"type": "text", "text": "x", "state": None}, "got `null`"),
    ],
)  # fmt: skip
def test_a_wrong_part_says_why(part: object, reason: str):
    with pytest.raises(ValueError, match=reason):
        read_part(part)


def test_a_tools_name_is_everything_after_the_first_dash():
    assert tool_name({"type": "tool-get-weather"}) == "get-weather"
    assert tool_name({"type": "dynamic-tool", "toolName": "x"}) == "x"
