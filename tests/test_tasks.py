from __future__ import annotations

import anyio
import pytest

from chat_transport._tasks import open_task_group

pytestmark = pytest.mark.anyio


async def test_one_error_goes_out_bare_with_its_cause():
    cause = KeyError("why")
    with pytest.raises(ValueError, match="oops") as raised:
        async with open_task_group():
            raise ValueError("oops") from cause
    assert raised.value.__cause__ is cause


async def test_the_error_of_a_task_goes_out_bare():
    async def fail() -> None:
        raise ValueError("inside")

    async def work() -> None:
        async with open_task_group() as group:
            group.start_soon(fail)
            await anyio.sleep_forever()

    with anyio.fail_after(5), pytest.raises(ValueError, match="inside"):
        await work()


async def test_several_errors_stay_a_group():
    async def fail(text: str) -> None:
        raise ValueError(text)

    async def work() -> None:
        async with open_task_group() as group:
            group.start_soon(fail, "a")
            group.start_soon(fail, "b")

    with pytest.raises(ExceptionGroup) as raised:
        await work()
    assert sorted(str(error) for error in raised.value.exceptions) == ["a", "b"]


async def test_without_an_error_nothing_is_raised():
    async with open_task_group() as group:
        group.start_soon(anyio.lowlevel.checkpoint)
