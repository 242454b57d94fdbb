"""What a run of the tool loop counts and waits for."""

from __future__ import annotations

import anyio
import pytest

from chat_transport.agent._loop_state import LoopState, add_usage
from chat_transport.agent.run import Run, User
from chat_transport.chunks import Finish, ToolOutputAvailable

pytestmark = pytest.mark.anyio
RUN = Run(
    run_id="r",
    chat_id="c",
    messages=(),
    trigger="submit-message",
    message_id=None,
    response_message_id="m",
    user=User(),
    metadata={},
)


def test_usage_is_added_at_every_depth() -> None:
    before = {"in": 1, "detail": {"cached": 2, "model": "a"}, "once": 5}
    added = add_usage(before, {"in": 2.5, "detail": {"cached": 1, "model": "b"}, "new": {"x": 1}})
    assert added == {"in": 3.5, "detail": {"cached": 3, "model": "b"}, "once": 5, "new": {"x": 1}}
    assert before["detail"] == {"cached": 2, "model": "a"}
    assert add_usage({"flag": True}, {"flag": True}) == {"flag": True}


async def test_metadata_of_the_steps_is_merged_and_usage_summed() -> None:
    async with anyio.create_task_group() as tasks:
        state = LoopState(run=RUN, tasks=tasks)
        assert not state.goes_on(1, 5)
        state.note(Finish(message_metadata={"usage": {"n": 1}, "model": "a"}))
        state.begin_step()
        state.note(Finish(finish_reason="stop", message_metadata={"usage": {"n": 2}}))
        state.note(Finish())
    assert state.metadata == {"usage": {"n": 3}, "model": "a"}
    assert (state.usage_of_step, state.finish_reason) == ({"n": 2}, "stop")
    assert state.goes_on(1, 5)
    assert not state.goes_on(5, 5)


async def test_outputs_are_waited_for_while_calls_run() -> None:
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            state = LoopState(run=RUN, tasks=tasks)
            assert list(await state.outputs()) == []
            state.running = 1
            output = ToolOutputAvailable(tool_call_id="1", output=1)

            async def work() -> None:
                await anyio.wait_all_tasks_blocked()
                state.log.append(output)
                await anyio.wait_all_tasks_blocked()
                state.end_call()

            tasks.start_soon(work)
            assert list(await state.outputs()) == [output]
            assert list(await state.outputs()) == []
