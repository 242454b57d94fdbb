"""Where things are and who we are: configuration, the same file for both wires."""

from __future__ import annotations

import os
from typing import Any

from chat_transport import User
from chat_transport.transports.http import IncomingRequest

# Over HTTP: an address, and a header that says who asks. Put your log-in check in its place.
URL = os.environ.get("CHAT_URL", "http://127.0.0.1:8000/api/chat")
BEARER = {"authorization": "Bearer ann"}


def who(request: IncomingRequest) -> User | None:
    return User(id="ann") if request.headers.get("authorization") == "Bearer ann" else None


# Over Ably: a key (browsers get tokens instead), and who each end is.
ENDPOINT = os.environ.get("ABLY_ENDPOINT")  # None is Ably's cloud
ABLY: dict[str, Any] = {
    "key": os.environ.get("ABLY_KEY", "app.key:secret"),
    "endpoint": ENDPOINT,
    "tls": ENDPOINT is None,
}
AGENT = {**ABLY, "client_id": "agent"}
ANN = {**ABLY, "client_id": "ann"}
