"""A local Ably: a development and test server that the real SDKs cannot tell from the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat_transport._extras import lazy_names

if TYPE_CHECKING:
    from chat_transport.broker.broker import Broker
    from chat_transport.broker.faults import Faults, FaultSettings
    from chat_transport.broker.server import create_app
    from chat_transport.broker.serving import RunningBroker, serve_broker
    from chat_transport.broker.settings import Limits, Namespace
    from chat_transport.broker.tokens import ApiKey

__all__ = [
    "ApiKey",
    "Broker",
    "FaultSettings",
    "Faults",
    "Limits",
    "Namespace",
    "RunningBroker",
    "create_app",
    "serve_broker",
]

_HOMES = {
    "ApiKey": "tokens",
    "Broker": "broker",
    "FaultSettings": "faults",
    "Faults": "faults",
    "Limits": "settings",
    "Namespace": "settings",
    "RunningBroker": "serving",
    "create_app": "server",
    "serve_broker": "serving",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
