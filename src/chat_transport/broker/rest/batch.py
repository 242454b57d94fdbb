"""REST resources for many channels at once: publish, and who is present.

Source: Ably REST API reference, batch requests; features spec RSC22, RSC24; the flat form is that
of `X-Ably-Version` below 3.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chat_transport.broker.frames import Message
from chat_transport.broker.publishing import Author
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rest.call import Call, Reply
from chat_transport.broker.serials import new_id

__all__ = ["batch_presence", "batch_publish"]

MOST_CHANNELS = 100


class BatchSpec(msgspec.Struct):
    """Messages and the channels that all of them go to."""

    channels: str | list[str]
    messages: Message | list[Message]


def _summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    failures = sum("error" in result for result in results)
    return {
        "successCount": len(results) - failures,
        "failureCount": failures,
        "results": results,
    }


def _publish(call: Call, spec: BatchSpec) -> list[dict[str, Any]]:
    identity, app = call.identity(), call.app()
    names = [spec.channels] if isinstance(spec.channels, str) else spec.channels
    messages = spec.messages if isinstance(spec.messages, list) else [spec.messages]
    if len(names) > MOST_CHANNELS:
        raise Refusal(40000, 400, f"more than {MOST_CHANNELS} channels in one batch")
    results: list[dict[str, Any]] = []
    for name in names:
        author = Author(identity, None, new_id())
        try:
            serials = app.channel(name).publish(author, list(messages))
        except Refusal as refusal:
            results.append({"channel": name, "error": refusal.words})
        else:
            results.append({"channel": name, "messageId": author.id, "serials": serials})
    return results


def batch_publish(call: Call) -> Reply:
    """POST /messages."""
    specs, is_list = call.read_many(BatchSpec)
    version = call.headers.get("x-ably-version", "3").partition(".")[0]
    if is_list:
        return Reply(201, [_summary(_publish(call, spec)) for spec in specs])
    results = _publish(call, specs[0])
    return Reply(201, results if version in {"1", "2"} else _summary(results))


def batch_presence(call: Call) -> Reply:
    """GET /presence?channels=a,b."""
    identity, app = call.identity(), call.app()
    results: list[dict[str, Any]] = []
    for name in filter(None, call.query.get("channels", "").split(",")):
        try:
            identity.capability.require(name, "subscribe")
            members = app.channel(name).members.present()
        except Refusal as refusal:
            results.append({"channel": name, "error": refusal.words})
        else:
            results.append({"channel": name, "presence": members})
    return Reply(200, _summary(results))
