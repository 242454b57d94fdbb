"""The harness of the direct transport gives clients that share one agent."""

from __future__ import annotations

import anyio
import pytest

from chat_transport.testing.direct_harness import DirectHarness
from chat_transport.testing.harness import Scene, collect, words
from chat_transport.testing.puppet import Puppet
from chat_transport.transports.direct import DirectChatTransport

pytestmark = pytest.mark.anyio


async def test_clients_of_a_stage_share_chats_and_carry_their_user() -> None:
    puppet = Puppet()
    with anyio.fail_after(5):
        async with DirectHarness().stage(puppet.handler, puppet.on_end) as make_client:
            scene = Scene(agent=puppet, make_client=make_client)
            async with scene.client("ada") as ada, scene.client("bob") as bob:
                async with ada.send_messages(scene.send()) as stream:
                    line = await puppet.line()
                    line.finish(*words("x"))
                    await collect(stream)
                await puppet.end(line.run.run_id)
                history = await bob.load_history(scene.chat_id)
    assert line.run.user.id == "ada"
    assert [message.text for message in history.messages] == ["hello", "x"]


async def test_a_wrapped_client_is_used() -> None:
    class Special(DirectChatTransport):
        pass

    puppet = Puppet()
    harness = DirectHarness(lambda host, user: Special(host, user=user))
    async with harness.stage(puppet.handler, puppet.on_end) as make_client:
        assert isinstance(make_client("ada"), Special)
