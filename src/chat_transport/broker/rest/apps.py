"""REST resources that make and remove apps: what the public test suites start with.

Source: ably-common `test-resources/test-app-setup.json`; suites of ably-js and ably-python.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chat_transport.broker.capability import ALL, Capability
from chat_transport.broker.frames import Presence, PresenceAction
from chat_transport.broker.publishing import Author
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rest.call import Call, Reply
from chat_transport.broker.serials import new_id
from chat_transport.broker.settings import Namespace
from chat_transport.broker.tokens import ApiKey, identity_of_key

__all__ = ["create_app", "delete_app"]

FIXTURES_CONNECTION = "fixtures"


class KeyPlan(msgspec.Struct):
    """A key to make."""

    capability: str | dict[str, list[str]] | None = None


class PresencePlan(msgspec.Struct, rename="camel"):
    """A member that is always there."""

    client_id: str
    data: Any = None
    encoding: str | None = None


class ChannelPlan(msgspec.Struct):
    """A channel with members."""

    name: str
    presence: list[PresencePlan] = []


class NamespacePlan(msgspec.Struct, rename="camel"):
    """A namespace to make."""

    id: str
    persisted: bool = False
    mutable_messages: bool = False
    authenticated: bool = False


class AppPlan(msgspec.Struct):
    """The body of POST /apps."""

    keys: list[KeyPlan] = []
    namespaces: list[NamespacePlan] = []
    channels: list[ChannelPlan] = []


def _key(app_id: str, plan: KeyPlan) -> ApiKey:
    capability = ALL
    if plan.capability is not None:
        text = plan.capability
        if not isinstance(text, str):
            text = msgspec.json.encode(text).decode()
        capability = Capability.parse(text)
    return ApiKey(f"{app_id}.{new_id(6)}", new_id(43), capability)


def create_app(call: Call) -> Reply:
    """POST /apps: no credentials, for this is how one gets them."""
    plan = call.read(AppPlan)
    app_id = new_id(6)
    keys = [_key(app_id, key) for key in plan.keys] or [_key(app_id, KeyPlan())]
    namespaces = [
        Namespace(
            item.id,
            persisted=item.persisted,
            mutable_messages=item.mutable_messages,
            authenticated=item.authenticated,
        )
        for item in plan.namespaces
    ]
    app = call.broker.add_app(app_id, keys, namespaces, is_kept=False)
    for item in plan.channels:
        channel = app.channel(item.name)
        author = Author(identity_of_key(keys[0], None), FIXTURES_CONNECTION, "fixtures:0")
        channel.set_presence(
            author,
            [
                Presence(PresenceAction.ENTER, None, m.client_id, data=m.data, encoding=m.encoding)
                for m in item.presence
            ],
        )
    host, _, port = call.headers.get("host", "127.0.0.1").partition(":")
    value = {
        "appId": app_id,
        "accountId": "local",
        "status": "enabled",
        "keys": [
            {
                "id": key.name.partition(".")[2],
                "value": key.secret,
                "keyName": key.name,
                "keySecret": key.secret,
                "keyStr": key.text,
                "capability": key.capability.text,
            }
            for key in keys
        ],
        "namespaces": plan.namespaces,
        "channels": [{"name": item.name} for item in plan.channels],
        "endpoint": host,
        "port": int(port or 80),
        "tls": False,
    }
    return Reply(201, value)


def delete_app(call: Call) -> Reply:
    """DELETE /apps/{id}, under one of its keys."""
    identity = call.identity()
    if identity.app_id != call.segments[1]:
        raise Refusal(40101, 401, "Not authorized: the key is of another app")
    call.broker.remove_app(identity.app_id)
    return Reply(204)
