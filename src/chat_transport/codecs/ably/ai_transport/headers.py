"""The one table of names and headers of the AI Transport wire, generation 0.8.

Rule: no header is spelled anywhere else; all values are strings, absent means absent.
Source: @ably/ai-transport 0.8.0, `extras.ai.transport` and `extras.ai.codec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

__all__ = ["codec_headers", "envelope", "transport_headers"]

JSON: TypeAlias = Any  # any JSON value
Headers: TypeAlias = Mapping[str, str]

# Names of messages -----------------------------------------------------------
INPUT: Final = "ai-input"
CANCEL: Final = "ai-cancel"
OUTPUT: Final = "ai-output"
RUN_START: Final = "ai-run-start"
RUN_SUSPEND: Final = "ai-run-suspend"
RUN_RESUME: Final = "ai-run-resume"
RUN_END: Final = "ai-run-end"
STEP_START: Final = "ai-step-start"
STEP_END: Final = "ai-step-end"

# Transport tier: who, where, in which run ------------------------------------
ROLE: Final = "role"
MESSAGE_ID: Final = "codec-message-id"
"""The message that an input or output folds into; minted by its writer."""
EVENT_ID: Final = "event-id"
"""Minted by the client for each input; what an invocation points at."""
RUN_ID: Final = "run-id"
INVOCATION_ID: Final = "invocation-id"
RUN_CLIENT_ID: Final = "run-client-id"
"""Who owns the run; a claim when a client writes it."""
INPUT_CLIENT_ID: Final = "input-client-id"
"""Ably clientId of who published the trigger."""
INPUT_ID: Final = "input-codec-message-id"
"""The trigger's message id: by this a client finds the reply to what it sent."""
PARENT: Final = "parent"
FORK_OF: Final = "fork-of"
REGENERATES: Final = "msg-regenerate"
SUPERSEDES: Final = "supersedes"
"""The suspended run that a client's tool-result fork takes the place of."""
STREAM: Final = "stream"
STREAM_ID: Final = "stream-id"
STATUS: Final = "status"
DISCRETE: Final = "discrete"
RUN_REASON: Final = "run-reason"
ERROR_CODE: Final = "error-code"
ERROR_MESSAGE: Final = "error-message"
STEP_ID: Final = "step-id"
STEP_START_SERIAL: Final = "step-start-serial"
"""Which attempt of a step: the serial of its `ai-step-start`."""
STEP_CLIENT_ID: Final = "step-client-id"
STEP_REASON: Final = "step-reason"
STEERS: Final = "steer-codec-message-ids"
"""JSON array of the steering messages that an output answers."""

# Codec tier: what the payload is ---------------------------------------------
KIND: Final = "kind"
PART_TYPE: Final = "partType"
MESSAGE_METADATA: Final = "messageMetadata"
PROVIDER_METADATA: Final = "providerMetadata"

# Values ----------------------------------------------------------------------
TRUE: Final = "true"
FALSE: Final = "false"
STREAMING: Final = "streaming"
COMPLETE: Final = "complete"
CANCELLED: Final = "cancelled"

STREAM_ERROR: Final = 104008
"""Error code of a run that failed without naming its own (`StreamError`)."""

_NONE: Final[Mapping[str, str]] = {}
_STR: Final = frozenset({str})


def envelope(
    transport: Mapping[str, str],
    codec: Mapping[str, str] | None = None,
    *,
    ephemeral: bool = False,
) -> dict[str, JSON]:
    """Give the `extras` of a message; an empty codec tier is left out."""
    ai: dict[str, JSON] = {"transport": transport}
    if codec:
        ai["codec"] = codec
    extras: dict[str, JSON] = {"ai": ai}
    if ephemeral:
        extras["ephemeral"] = True
    return extras


def transport_headers(extras: Mapping[str, JSON] | None) -> Headers | None:
    """Read the transport tier; None if the message is not of this wire."""
    ai = extras.get("ai") if extras else None
    if type(ai) is not dict and not isinstance(ai, Mapping):  # the exact type is the fast path
        return None
    return _strings(ai.get("transport"))


def codec_headers(extras: Mapping[str, JSON] | None) -> Headers:
    """Read the codec tier; empty if there is none."""
    ai = extras.get("ai") if extras else None
    return _strings(ai.get("codec") if type(ai) is dict or isinstance(ai, Mapping) else None)


def _strings(tier: JSON) -> Headers:
    """Give the headers that are strings, as all must be: anybody may have published this."""
    if type(tier) is not dict and not isinstance(tier, Mapping):
        return _NONE
    if set(map(type, tier.values())) <= _STR:
        return tier
    return {key: value for key, value in tier.items() if isinstance(value, str)}
