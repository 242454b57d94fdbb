"""How messages of a JavaScript view are compared with ours."""

from __future__ import annotations

from typing import Any

__all__ = ["merged", "shape", "texts"]


def shape(message: dict[str, Any]) -> dict[str, Any]:
    """What both sides must agree on: role and parts, without what only one of them keeps."""
    parts = [
        {k: v for k, v in part.items() if k not in {"state", "providerMetadata", "id", "rawInput"}}
        | ({"state": part["state"]} if "toolCallId" in part else {})
        for part in message["parts"]
    ]
    return {"role": message["role"], "parts": parts}


def merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join what a run said before and after it waited: the JavaScript view shows two messages.

    It also loses an approval's id and reason when the call is settled, and a client that joins in
    mid-reply may add a second step boundary to the one that history brings. Ours does neither.
    """
    joined: list[dict[str, Any]] = []
    for message in messages:
        parts = [{k: v for k, v in p.items() if k != "approval"} for p in message["parts"]]
        if joined and joined[-1]["role"] == message["role"] == "assistant":
            joined[-1]["parts"] += parts
        else:
            joined.append({"role": message["role"], "parts": parts})
    for message in joined:
        message["parts"] = [
            part
            for before, part in zip([{}, *message["parts"]], message["parts"], strict=False)
            if part["type"] != "step-start" or before.get("type") != "step-start"
        ]
    return joined


def texts(messages: list[dict[str, Any]]) -> list[str]:
    """The text of each message."""
    return ["".join(p.get("text", "") for p in m["parts"] if p["type"] == "text") for m in messages]
