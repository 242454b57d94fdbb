"""Who a run is, and the headers that say so on each of its messages.

Rule: pure; one function for each kind of message.
Source: @ably/ai-transport 0.8.0, wire document, sections 8.3 and 8.4.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from . import headers as h

__all__ = ["RunIdentity", "Step", "lifecycle_headers", "output_headers", "step_headers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Who a run is: resolved from its trigger by `Conversation.identify`.

    Attributes:
        input_id: The trigger's codec-message-id; echoed on everything (`useChat` routes by it).
        parent: Structural parent of the run.
        step_client_id: Whom the steps before are attributed to; empty if there are none.
        output_parent: Parent of its outputs.
        continues: The trigger re-enters a run that was suspended.
        adopts: The run was announced by a process that died; this one goes on with it.
        message_id: The codec-message-id that its reply has, if it has begun.
        steps: Steps that spoke in it: what is not tried again is taken back at the end.
    """

    run_id: str
    invocation_id: str
    input_id: str
    run_client_id: str = ""
    input_client_id: str = ""
    step_client_id: str = ""
    parent: str | None = None
    output_parent: str | None = None
    fork_of: str | None = None
    regenerates: str | None = None
    continues: bool = False
    adopts: bool = False
    message_id: str | None = None
    steps: tuple[str, ...] = ()


@dataclass(slots=True)
class Step:
    """An attempt that is open. `serial` is known once its start was acknowledged."""

    step_id: str
    client_id: str
    serial: str | None = None
    implicit: bool = False


def lifecycle_headers(identity: RunIdentity) -> dict[str, str]:
    """Give what every message of a run says of it."""
    return {
        h.RUN_ID: identity.run_id,
        h.RUN_CLIENT_ID: identity.run_client_id,
        h.INVOCATION_ID: identity.invocation_id,
        h.INPUT_CLIENT_ID: identity.input_client_id,
        h.INPUT_ID: identity.input_id,
    }


def step_headers(identity: RunIdentity, step: Step) -> dict[str, str]:
    """Give the headers of the begin and the end of an attempt."""
    headers = lifecycle_headers(identity)
    del headers[h.INPUT_ID]
    headers |= {h.STEP_ID: step.step_id, h.STEP_CLIENT_ID: step.client_id}
    if step.serial is not None:
        headers[h.STEP_START_SERIAL] = step.serial
    return headers


def output_headers(
    identity: RunIdentity, message_id: str, *, step: Step | None, steers: Sequence[str]
) -> dict[str, str]:
    """Give the headers of an output."""
    headers = {h.ROLE: "assistant", h.MESSAGE_ID: message_id, **lifecycle_headers(identity)}
    optional = {
        h.PARENT: identity.output_parent,
        h.FORK_OF: identity.fork_of,
        h.REGENERATES: identity.regenerates,
    }
    headers |= {key: value for key, value in optional.items() if value is not None}
    if step is not None and step.serial is not None:
        headers[h.STEP_ID] = step.step_id
        headers[h.STEP_CLIENT_ID] = step.client_id
        headers[h.STEP_START_SERIAL] = step.serial
    if steers:
        headers[h.STEERS] = json.dumps(tuple(steers), separators=(",", ":"))
    return headers
