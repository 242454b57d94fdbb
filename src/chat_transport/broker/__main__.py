"""`python -m chat_transport.broker`: serve a local Ably until told to stop."""

from __future__ import annotations

import sys

from chat_transport.broker.command import run

sys.exit(run(sys.argv[1:]))
