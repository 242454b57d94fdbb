"""`python -m chat_transport.broker`: serve a local Ably until told to stop."""

from __future__ import annotations

import sys

from chat_transport._extras import wanted_by

try:
    with wanted_by("the broker"):
        from chat_transport.broker.command import run
except ModuleNotFoundError as error:
    sys.exit(f"chat-transport broker: {error}")

sys.exit(run(sys.argv[1:]))
