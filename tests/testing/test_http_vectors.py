from __future__ import annotations

import json
from pathlib import Path

import pytest

from chat_transport.testing.http_vectors import HTTP_VECTOR_CHECKS


@pytest.mark.parametrize("group", HTTP_VECTOR_CHECKS)
def test_every_recorded_case_is_the_same(shared_folder: Path, group: str):
    cases = json.loads((shared_folder / "vectors/ui" / f"{group}.json").read_text())
    differing = {case["name"]: HTTP_VECTOR_CHECKS[group](case) for case in cases}
    assert {name: why for name, why in differing.items() if why} == {}
    assert cases


def test_a_case_that_differs_is_told():
    request = {
        "name": "changed",
        "method": "reconnect",
        "transport": {"api": "/v2"},
        "call": {"chatId": "c"},
        "request": {
            "url": "/v2/other/stream",
            "method": "GET",
            "headers": {},
            "credentials": None,
            "body": None,
            "body_key_order": None,
        },
        "error": None,
    }
    assert HTTP_VECTOR_CHECKS["requests"](request) == [
        "request.url is '/v2/c/stream', not '/v2/other/stream'"
    ]
    refused = {**request, "error": "must be refused"}
    assert HTTP_VECTOR_CHECKS["requests"](refused) == ["was not refused: must be refused"]
    frame = {"value": {"type": "abort"}, "valid": True}
    assert "was refused" in HTTP_VECTOR_CHECKS["websocket-frames"](frame)[0]
    script = {"script": [{"send": {}}], "log": []}
    assert "log is" in HTTP_VECTOR_CHECKS["websocket"](script)[0]
