"""A real demo process and a real browser for the page's tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """The address of `chat-transport demo`, as a newcomer starts it."""
    command = [str(Path(sys.executable).with_name("chat-transport")), "demo", "--port", "0"]
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        yield read_address(process)
        process.terminate()
        assert process.wait(timeout=10) == 0, "the demo must end cleanly on SIGTERM"


def read_address(process: subprocess.Popen[str]) -> str:
    """Wait for the `ready` line; what comes after it is read and dropped."""
    assert process.stdout is not None
    seen: list[str] = []
    for line in process.stdout:
        seen.append(line)
        found = re.search(r"ready.*?(http://\S+)", line)
        if found:
            break
    else:
        pytest.fail("the demo did not get ready:\n" + "".join(seen))
    threading.Thread(target=process.stdout.read, daemon=True).start()
    return found.group(1).rstrip("/")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("no Chromium; `make browser` installs it")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile: no cookies, no storage."""
    made = browser.new_context(viewport={"width": 900, "height": 800})
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """One tab, whose script errors fail the test at the end."""
    return context.new_page()
