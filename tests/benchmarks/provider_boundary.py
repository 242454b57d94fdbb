"""A token out of the provider: `python tests/benchmarks/provider_boundary.py`.

CPU of this process for each token of Chat Completions, the server in a process of its own: the whole
answer at once, and many streams side by side, each at its own pace. The SDK's own stream and
pydantic-ai, where installed, are measured in the same run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec

import anyio
import openai
import uvloop
from chat_transport_openai import OpenAIChat

from chat_transport.messages import UIMessage
from chat_transport.testing.replay import Answer, replay_server

TOKENS = 2_000
STREAMS, RATE, SECONDS = 50, 50, 4
HELLO = [UIMessage.user("Hi", id="u")]


def piece(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": finish}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "system_fingerprint": "fp",
    }
    return b"data: " + json.dumps(body | {"choices": [choice]}).encode() + b"\n\n"


def answer(tokens: int, *, delay_s: float = 0) -> Answer:
    pieces = [*(piece(f"word{n % 100} ") for n in range(tokens)), piece("", "stop")]
    if delay_s:
        return Answer(pieces=pieces, tail=b"data: [DONE]\n\n", delay_s=delay_s)
    whole = b"".join(pieces) + b"data: [DONE]\n\n"
    return Answer(pieces=[whole])


async def serve(delay_s: float, tokens: int) -> None:
    async with replay_server(answer(tokens, delay_s=delay_s)) as server:
        print(server.url, flush=True)
        await anyio.sleep_forever()


async def ours(url: str) -> int:
    adapter = OpenAIChat("gpt-4o", api_key="k", base_url=f"{url}/v1", include_usage=False)
    count = 0
    async for _ in adapter.stream(HELLO):
        count += 1
    await adapter.aclose()
    return count


async def ours_aiohttp(url: str) -> int:
    http = openai.DefaultAioHttpClient()
    client = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", http_client=http)
    adapter = OpenAIChat("gpt-4o", client=client, include_usage=False)
    count = 0
    async for _ in adapter.stream(HELLO):
        count += 1
    await client.close()
    return count


async def sdk(url: str) -> int:
    client = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1")
    stream = await client.chat.completions.create(model="m", messages=[], stream=True)
    count = 0
    async for _ in stream:
        count += 1
    await client.close()
    return count


async def pydantic_ai(url: str) -> int:
    from pydantic_ai import Agent  # a peer that need not be here
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("m", provider=OpenAIProvider(api_key="k", base_url=f"{url}/v1"))
    count = 0
    async with Agent(model).run_stream("Hi") as result:
        async for _ in result.stream_text(delta=True, debounce_by=None):
            count += 1
    return count


Path = Callable[[str], Awaitable[int]]


async def bulk(path: Path, url: str) -> float:
    await path(url)
    before = time.process_time()
    await path(url)
    return (time.process_time() - before) / TOKENS * 1e6


async def many(path: Path, url: str) -> float:
    await path(url)
    before = time.process_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(STREAMS):
            tasks.start_soon(path, url)
    return (time.process_time() - before) / (STREAMS * RATE * SECONDS) * 1e6


async def server_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return (await anyio.to_thread.run_sync(process.stdout.readline)).strip()


async def measured(delay_s: float, tokens: int, measure: Callable[..., Awaitable[float]]):
    command = [sys.executable, __file__, "serve", str(delay_s), str(tokens)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220  # our own file
        url = await server_url(process)
        try:
            for name, path in paths():
                yield name, await measure(path, url)
        finally:
            process.terminate()


def paths() -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = [("chat-transport-openai", ours), ("openai SDK", sdk)]
    if find_spec("aiohttp") is not None:  # openai[aiohttp]
        found.insert(1, ("  with openai[aiohttp]", ours_aiohttp))
    if find_spec("pydantic_ai") is not None:
        found.append(("pydantic-ai", pydantic_ai))
    return found


async def main() -> None:
    print("us of CPU a token".ljust(28), "at once".rjust(10), f"{STREAMS} x {RATE}/s".rjust(12))
    at_once = {name: us async for name, us in measured(0, TOKENS, bulk)}
    side = {name: us async for name, us in measured(1 / RATE, RATE * SECONDS, many)}
    for name, us in at_once.items():
        print(name.ljust(28), f"{us:10.1f}", f"{side[name]:12.1f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(float(sys.argv[2]), int(sys.argv[3])))
    else:
        uvloop.run(main())
