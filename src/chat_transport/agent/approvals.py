"""Approvals bound to the call that was issued: a signature that only the agent's end can make.

Rule: what was signed is the chat, the approval, the call, the tool and the exact input; change one
and the approval is void. No I/O here, no clock: an approval does not run out by itself.
Source: `toolApproval` signatures of AI SDK 7.0.173 (HMAC-SHA-256 over a JSON list), plus the chat.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, TypeAlias

__all__ = ["ApprovalSigner"]

JSON: TypeAlias = Any  # any JSON value
_VERSION = "chat-transport-approval-1"
SHORTEST_SECRET = 16
"""Bytes; a shorter secret is refused."""


class ApprovalSigner:
    """Signs approval requests and checks them when they come back, also after a restart.

    Args:
        secret: At least 16 bytes, the same in every process that serves these chats.
        former: Earlier secrets that are still believed, for a change of secret without loss.
    """

    def __init__(self, secret: bytes, *, former: tuple[bytes, ...] = ()) -> None:
        for key in (secret, *former):
            if len(key) < SHORTEST_SECRET:
                raise ValueError(
                    f"an approval secret needs {SHORTEST_SECRET} bytes or more; got {len(key)}"
                )
        self._keys = (secret, *former)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def sign(
        self,
        *,
        chat_id: str,
        approval_id: str,
        tool_call_id: str,
        tool_name: str,
        tool_input: JSON,
    ) -> str:
        """Give the signature of one call in one chat."""
        claim = _claim(chat_id, approval_id, tool_call_id, tool_name, tool_input)
        return _signature(self._keys[0], claim)

    def verify(
        self,
        signature: str | None,
        *,
        chat_id: str,
        approval_id: str,
        tool_call_id: str,
        tool_name: str,
        tool_input: JSON,
    ) -> bool:
        """Whether `signature` was made by `sign` for exactly this call."""
        if signature is None or not signature.isascii():
            return False
        claim = _claim(chat_id, approval_id, tool_call_id, tool_name, tool_input)
        return any(hmac.compare_digest(_signature(key, claim), signature) for key in self._keys)


def _signature(key: bytes, claim: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, claim, "sha256")).decode().rstrip("=")


def _claim(
    chat_id: str, approval_id: str, tool_call_id: str, tool_name: str, tool_input: JSON
) -> bytes:
    digest = hashlib.sha256(_canonical(tool_input)).hexdigest()
    return json.dumps([_VERSION, chat_id, approval_id, tool_call_id, tool_name, digest]).encode()


def _canonical(value: JSON) -> bytes:
    return json.dumps(_as_javascript(value), sort_keys=True, separators=(",", ":")).encode()


def _as_javascript(value: JSON) -> JSON:
    # A browser sends 1.0 back as 1: the same number must give the same bytes.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _as_javascript(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_javascript(item) for item in value]
    return value
