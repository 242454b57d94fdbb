"""A real server in a thread of its own, so that clients outside its event loop can talk to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

__all__ = ["serve_in_thread"]

END_S = 30
"""How long an application may take to close; a busy machine needs more than the usual second."""


@contextmanager
def serve_in_thread(app: Any) -> Iterator[str]:
    """Serve an ASGI application while the block lasts; gives its origin, `http://127.0.0.1:PORT`."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)  # who calls before the server is up waits
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            lifespan="on",
            timeout_graceful_shutdown=1,
            ws="websockets-sansio",
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(END_S)
        listener.close()
        assert not thread.is_alive(), "the server must end"
