"""Serve the counter, run the script as a program, and look at what it prints."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from chat_transport.broker.serving import bind_port

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
DEADLINE_S = 40


@contextmanager
def served() -> Iterator[str]:
    from server import app

    listener = bind_port("127.0.0.1", 0)
    listener.listen()  # who calls before the server is up waits
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/chat"
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    with served() as address:
        script = [sys.executable, str(HERE / "notebook.py"), address]
        done = subprocess.run(
            script, stdout=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=True
        )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == "reply: 1 2 3", lines
    print("ok   a reply is waited for")
    assert lines[1] == "reply: 1 2 3 4", lines
    print("ok   a question is replaced")
    assert any(" 9" in line for line in lines if line.startswith("growing: 1")), lines
    assert "status: ready" in lines
    print("ok   a reply is watched, and stopped from another thread")
    first, reply, second, cut = lines[-4:]
    assert [first, reply, second] == [
        "user: count to 4",
        "assistant: 1 2 3 4",
        "user: count to 1000",
    ], lines
    assert cut.startswith("assistant: 1 2 3 4 5 6 7 8 9"), cut
    assert not cut.endswith("1000"), cut
    print("ok   history holds what was said")


if __name__ == "__main__":
    main()
