from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from chat_transport.testing.chat_vectors import check_chat_case


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_every_recorded_chat_case_passes(shared_folder: Path, backend: str):
    files = sorted((shared_folder / "vectors" / "ui" / "chat").glob("*.json"))
    assert len(files) >= 82
    failed = {
        file.stem: differences
        for file in files
        if (differences := check_chat_case(json.loads(file.read_text()), backend=backend))
    }
    assert failed == {}


CASE = {
    "name": "chat/own",
    "config": {},
    "steps": [
        {"op": "send", "message": {"text": "q"}},
        {"op": "chunks", "stream": 0, "chunks": [{"type": "text-start", "id": "t"}]},
        {"op": "end", "stream": 0},
    ],
    "trace": [
        {
            "step": 0,
            "status": "submitted",
            "error": None,
            "events": [
                {"status": "submitted"},
                {
                    "transport": {
                        "index": 0,
                        "method": "send",
                        "chatId": "chat-1",
                        "messages": [
                            {
                                "id": "gen-0",
                                "role": "user",
                                "parts": [{"type": "text", "text": "q"}],
                            }
                        ],
                        "trigger": "submit-message",
                    }
                },
            ],
            "messages": [{"id": "gen-0", "role": "user", "parts": [{"type": "text", "text": "q"}]}],
        },
        {
            "step": 1,
            "status": "streaming",
            "error": None,
            "events": [{"status": "streaming"}],
            "messages": [
                {"id": "gen-0", "role": "user", "parts": [{"type": "text", "text": "q"}]},
                {
                    "id": "gen-1",
                    "role": "assistant",
                    "parts": [{"type": "text", "text": "", "state": "streaming"}],
                },
            ],
        },
        {
            "step": 2,
            "status": "ready",
            "error": None,
            "events": [
                {"status": "ready"},
                {
                    "on_finish": {
                        "message_id": "gen-1",
                        "parts": 1,
                        "message_count": 2,
                        "isAbort": False,
                        "isDisconnect": False,
                        "isError": False,
                        "finishReason": None,
                    }
                },
                {"op_done": 0},
            ],
        },
    ],
    "final_messages": [
        {"id": "gen-0", "role": "user", "parts": [{"type": "text", "text": "q"}]},
        {
            "id": "gen-1",
            "role": "assistant",
            "parts": [{"type": "text", "text": "", "state": "streaming"}],
        },
    ],
    "final_status": "ready",
    "ids_generated": 2,
}


def test_a_case_as_it_is_passes():
    assert check_chat_case(CASE) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda case: case["trace"][0]["events"].reverse(), "step 0 (send): events"),
        (lambda case: case["trace"][1].update(status="ready"), "step 1 (chunks): status"),
        (lambda case: case["trace"][2]["events"].pop(), "step 2 (end): done"),
        (lambda case: case["trace"][1]["messages"].pop(), "step 1 (chunks): messages"),
        (lambda case: case.update(ids_generated=3), "ids generated"),
        (lambda case: case["steps"][2].update(op="dance"), "unknown step"),
    ],
)
def test_a_difference_is_named(change: Any, named: Any):
    case = copy.deepcopy(CASE)
    change(case)
    assert any(named in difference for difference in check_chat_case(case))
