"""What an agent shows of itself."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport.errors import ConnectFailed
from chat_transport.transports.ably.shown_status import ShownStatus

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Place:
    name = "ai:x"

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.changed = anyio.Event()
        self.refuses = False

    async def present(self, data: Any) -> None:
        self.shown.append(data)
        self.changed.set()
        self.changed = anyio.Event()
        if self.refuses:
            raise ConnectFailed("away")


async def test_the_newest_status_is_shown_once(caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    status = ShownStatus(place)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            await status.enter()
            status.want("thinking")
            status.want("streaming")
            changed = place.changed
            tasks.start_soon(status.show)
            await changed.wait()
            place.refuses = True
            for wanted in ("streaming", "online"):
                changed = place.changed
                status.want(wanted)
            await changed.wait()
            place.refuses = False
            changed = place.changed
            status.want("thinking")
            await changed.wait()
            tasks.cancel_scope.cancel()
    assert [data["status"] for data in place.shown] == ["online", "streaming", "online", "thinking"]
    assert "unable to show presence on ai:x" in caplog.text
