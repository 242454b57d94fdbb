from __future__ import annotations

import msgspec

from chat_transport.broker.refusal import Refusal


def test_a_refusal_always_says_code_status_and_message():
    words = Refusal(40160, 401, "operation not permitted").words
    assert msgspec.to_builtins(words) == {
        "code": 40160,
        "statusCode": 401,
        "message": "operation not permitted",
        "href": "https://help.ably.io/error/40160",
    }
