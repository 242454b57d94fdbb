"""Over aiohttp or over httpx: what an adapter sends, waits for, follows and tells is the same.

The adapters make their client over aiohttp by default, because an event costs half there. These tests
hold for both, so that the choice is one of cost alone. That leaving closes the connection is in each
adapter's tests.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import ipaddress
import json
import socket
import ssl
import subprocess
import sys
import threading
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chat_transport.chunks import Error, Finish, TextDelta, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings
from chat_transport.testing.replay import Answer, ReplayServer, replay_server

pytestmark = pytest.mark.anyio

HELLO = [UIMessage.user("Hi", id="u")]
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
Make = Callable[..., ModelAdapter]


def event(body: object) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


def openai_chat(url: str, *, max_retries: int = 0, **options: Any) -> ModelAdapter:
    from chat_transport_openai import OpenAIChat

    return OpenAIChat("m", api_key="k", base_url=f"{url}/v1", max_retries=max_retries, **options)


def openai_responses(url: str, *, max_retries: int = 0, **options: Any) -> ModelAdapter:
    from chat_transport_openai import OpenAIResponses

    return OpenAIResponses(
        "m", api_key="k", base_url=f"{url}/v1", max_retries=max_retries, **options
    )


def anthropic(url: str, *, max_retries: int = 0, **options: Any) -> ModelAdapter:
    from chat_transport_anthropic import AnthropicMessages

    return AnthropicMessages("m", api_key="k", base_url=url, max_retries=max_retries, **options)


def gemini(url: str, *, max_retries: int = 0, **options: Any) -> ModelAdapter:
    from chat_transport_google_genai import Gemini

    return Gemini("m", api_key="k", base_url=url, **options)


def ollama(url: str, *, max_retries: int = 0, **options: Any) -> ModelAdapter:
    from chat_transport_ollama import Ollama

    return Ollama("m", host=url, **options)


@dataclass(frozen=True, kw_only=True)
class Api:
    """One provider: its adapter, an answer of one word, and what its SDK can do."""

    make: Make
    word: bytes
    stop: bytes
    retries: bool = True

    def answer(self, **changes: Any) -> Answer:
        return Answer(**{"pieces": [self.word, self.stop]} | changes)


APIS = {
    "openai-chat": Api(
        make=openai_chat,
        word=event({"id": "c", "choices": [{"index": 0, "delta": {"content": "a"}}]}),
        stop=event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        + b"data: [DONE]\n\n",
    ),
    "openai-responses": Api(
        make=openai_responses,
        word=event(
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {"id": "m", "type": "message"},
            }
        )
        + event({"type": "response.output_text.delta", "item_id": "m", "delta": "a"}),
        stop=event({"type": "response.completed", "response": {"id": "r"}}),
    ),
    "anthropic": Api(
        make=anthropic,
        word=event({"type": "message_start", "message": {"id": "m", "usage": {}}})
        + event(
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            }
        )
        + event(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "a"},
            }
        ),
        stop=event({"type": "content_block_stop", "index": 0})
        + event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}})
        + event({"type": "message_stop"}),
    ),
    "gemini": Api(
        make=gemini,
        word=event({"responseId": "r", "candidates": [{"content": {"parts": [{"text": "a"}]}}]}),
        stop=event({"responseId": "r", "candidates": [{"finishReason": "STOP"}]}),
        retries=False,
    ),
    "ollama": Api(
        make=ollama,
        word=b'{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n',
        stop=b'{"model":"m","message":{"role":"assistant"},"done":true,"done_reason":"stop"}\n',
        retries=False,
    ),
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=sorted(APIS))
def api_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def api(api_name: str) -> Api:
    return APIS[api_name]


@pytest.fixture(params=[None, False], ids=["default", "httpx"])
def aiohttp(request: pytest.FixtureRequest) -> bool | None:
    return request.param


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def collect(
    adapter: ModelAdapter,
    messages: Sequence[UIMessage] = HELLO,
    settings: ModelSettings | None = None,
) -> list[UIMessageChunk]:
    with anyio.fail_after(15):
        try:
            return [chunk async for chunk in adapter.stream(messages, settings=settings)]
        finally:
            await adapter.aclose()


def check_whole(chunks: Sequence[UIMessageChunk]) -> None:
    assert [chunk.delta for chunk in chunks if isinstance(chunk, TextDelta)] == ["a"], chunks
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].finish_reason == "stop"


def check_failed(chunks: Sequence[UIMessageChunk], *, said: int = 0) -> Error:
    assert sum(isinstance(chunk, TextDelta) for chunk in chunks) == said
    (error,) = [chunk for chunk in chunks if isinstance(chunk, Error)]
    assert error.error_text
    return error


# --- what is sent ---------------------------------------------------------------------------------


async def test_both_send_the_same_request(api: Api):
    sent = []
    for choice in (None, False):
        async with replay_server(api.answer()) as server:
            check_whole(await collect(api.make(f"{server.url}/a%2Fb:c", aiohttp=choice)))
            (request,) = server.requests
            head = request.head.replace(server.url.removeprefix("http://"), "HOST")
            sent.append((sorted(head.lower().split("\r\n")), request.body))
    assert sent[0] == sent[1]


async def test_a_cookie_is_given_back_once(api: Api, *, aiohttp: bool | None):
    answer = api.answer(headers={"set-cookie": "cf=1; Path=/"})
    async with replay_server(answer) as server:
        adapter = api.make(server.url, aiohttp=aiohttp)
        for _ in range(2):
            with anyio.fail_after(10):
                check_whole([chunk async for chunk in adapter.stream(HELLO)])
        await adapter.aclose()
        heads = [request.head.lower() for request in server.requests]
    assert [head.count("cookie:") for head in heads] == [0, 1]
    assert heads[1].count("cf=1") == 1


# --- proxies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_used(
    name: str, api: Api, *, aiohttp: bool | None, monkeypatch: pytest.MonkeyPatch
):
    async with replay_server(api.answer()) as proxy:
        monkeypatch.setenv(name, proxy.url.replace("//", "//ann:secret@"))
        check_whole(await collect(api.make("http://provider.invalid", aiohttp=aiohttp)))
        (request,) = proxy.requests
    assert request.path.startswith("http://provider.invalid/")
    assert "proxy-authorization: basic yw5uonnly3jlda==" in request.head.lower()


async def test_a_host_that_needs_no_proxy_is_asked_itself(
    api: Api, *, aiohttp: bool | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
    async with replay_server(api.answer()) as server:
        check_whole(await collect(api.make(server.url, aiohttp=aiohttp)))


async def test_a_proxy_that_is_not_there_is_one_error(
    api: Api, *, aiohttp: bool | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    check_failed(await collect(api.make("http://provider.invalid", aiohttp=aiohttp)))


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine and `provider.invalid` that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provider")])
    now = dt.datetime.now(dt.UTC)
    places = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.DNSName("provider.invalid"),
    ]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "provider.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(pem))
    return file


@asynccontextmanager
async def served(
    serve: Callable[[Any], Any], *, tls: Path | None = None
) -> AsyncGenerator[int, None]:
    """Serve connections for the time of the block; gives the port."""
    listener: Any = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        listener = TLSListener(listener, context, standard_compatible=False)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield port
        tasks.cancel_scope.cancel()


async def test_an_own_authority_is_trusted_where_the_environment_says_so(
    api: Api, *, aiohttp: bool | None, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    provider = ReplayServer(0, [api.answer()])
    async with served(provider.serve, tls=certificate) as port:
        url = f"https://127.0.0.1:{port}"
        check_failed(await collect(api.make(url, aiohttp=aiohttp)))
        assert provider.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        check_whole(await collect(api.make(url, aiohttp=aiohttp)))


async def test_a_tunnel_through_a_proxy_is_checked_end_to_end(
    api: Api, *, aiohttp: bool | None, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    provider = ReplayServer(0, [api.answer()])
    asked: list[str] = []
    async with served(provider.serve, tls=certificate) as port:

        async def tunnel(near: anyio.abc.SocketStream) -> None:
            asked.append((await near.receive()).decode().split("\r\n")[0])
            async with near, await anyio.connect_tcp("127.0.0.1", port) as far:
                await near.send(b"HTTP/1.1 200 Connected\r\n\r\n")
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(pass_on, near, far, tasks.cancel_scope)
                    await pass_on(far, near, tasks.cancel_scope)

        async with served(tunnel) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy}")
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            check_whole(await collect(api.make("https://provider.invalid", aiohttp=aiohttp)))
    assert asked == ["CONNECT provider.invalid:443 HTTP/1.1"]


async def pass_on(
    near: anyio.abc.SocketStream, far: anyio.abc.SocketStream, scope: anyio.CancelScope
) -> None:
    try:
        async for data in near:
            await far.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass
    scope.cancel()


# --- time -----------------------------------------------------------------------------------------

BRIEF = ModelSettings(timeout_s=0.5)


async def test_a_provider_that_falls_silent_is_given_up(api: Api, *, aiohttp: bool | None):
    async with replay_server(api.answer(hang_after=1)) as server:
        chunks = await collect(api.make(server.url, aiohttp=aiohttp), settings=BRIEF)
    check_failed(chunks, said=1)
    assert chunks[-1].finish_reason == "error"


async def test_a_provider_that_never_answers_is_given_up(api: Api, *, aiohttp: bool | None):
    async def silent(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            async for _ in stream:
                pass

    async with served(silent) as port:
        chunks = await collect(
            api.make(f"http://127.0.0.1:{port}", aiohttp=aiohttp), settings=BRIEF
        )
    check_failed(chunks)


async def test_a_provider_that_never_accepts_is_given_up(api: Api, *, aiohttp: bool | None):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # they fill the queue
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        chunks = await collect(api.make(url, aiohttp=aiohttp), settings=BRIEF)
        for one in waiting:
            one.close()
    check_failed(chunks)


async def test_a_provider_that_reads_nothing_is_given_up(api: Api, *, aiohttp: bool | None):
    async def deaf(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await anyio.sleep_forever()

    long = [UIMessage.user("word " * 4_000_000, id="u")]
    async with served(deaf) as port:
        chunks = await collect(
            api.make(f"http://127.0.0.1:{port}", aiohttp=aiohttp), long, settings=BRIEF
        )
    check_failed(chunks)


async def test_a_long_answer_may_take_longer_than_its_silences(api: Api, *, aiohttp: bool | None):
    # A silence is a sixth of what is allowed, so that a busy machine does not make it too long.
    slow = api.answer(pieces=[api.word, *[b"\n"] * 6, api.stop], delay_s=0.2)
    settings = ModelSettings(timeout_s=1.2)
    async with replay_server(slow) as server:
        check_whole(await collect(api.make(server.url, aiohttp=aiohttp), settings=settings))


# --- again, and elsewhere -------------------------------------------------------------------------


async def test_a_refusal_is_repeated_after_the_time_that_was_asked_for(
    api: Api, *, aiohttp: bool | None
):
    busy = Answer(
        content_type="application/json", pieces=[b"{}"], status=429, headers={"retry-after": "1"}
    )
    async with replay_server(busy, api.answer()) as server:
        asked_at = anyio.current_time()
        chunks = await collect(api.make(server.url, aiohttp=aiohttp, max_retries=1))
        took = anyio.current_time() - asked_at
    if api.retries:
        check_whole(chunks)
        assert took >= 1
    else:
        check_failed(chunks)
        assert len(server.requests) == 1


async def test_a_connection_that_breaks_before_the_answer_is_repeated(
    api: Api, *, aiohttp: bool | None
):
    provider = ReplayServer(0, [api.answer()])
    met: list[int] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        met.append(1)
        if len(met) == 1:
            await stream.receive()
            await stream.aclose()
        else:
            await provider.serve(stream)

    async with served(serve) as port:
        url = f"http://127.0.0.1:{port}"
        chunks = await collect(api.make(url, aiohttp=aiohttp, max_retries=1))
    if api.retries:
        check_whole(chunks)
    else:
        check_failed(chunks)
        assert len(met) == 1


async def test_a_redirect_is_followed_with_its_body(api: Api, *, aiohttp: bool | None):
    moved = Answer(status=307, headers={"location": "/elsewhere"})
    async with replay_server(moved, api.answer()) as server:
        check_whole(await collect(api.make(server.url, aiohttp=aiohttp)))
        first, second = server.requests
    assert second.path == "/elsewhere"
    assert second.body == first.body


async def test_a_server_that_is_not_there_is_one_error_at_once(api: Api, *, aiohttp: bool | None):
    took_s: list[float] = []
    while not took_s or (took_s[-1] >= 1 and len(took_s) < 3):  # a busy machine is slow, not always
        started = anyio.current_time()
        check_failed(await collect(api.make("http://127.0.0.1:9", aiohttp=aiohttp)))
        took_s.append(anyio.current_time() - started)
    assert min(took_s) < 1


async def test_a_name_is_tried_at_each_of_its_addresses(api: Api, *, aiohttp: bool | None):
    async with replay_server(api.answer()) as server:  # at 127.0.0.1, not at ::1
        url = server.url.replace("127.0.0.1", "localhost")
        check_whole(await collect(api.make(url, aiohttp=aiohttp)))


async def test_a_connection_cut_in_mid_stream_is_an_error(api: Api, *, aiohttp: bool | None):
    async with replay_server(api.answer(cut_after=1)) as server:
        chunks = await collect(api.make(server.url, aiohttp=aiohttp))
    check_failed(chunks, said=1)
    assert chunks[-1].finish_reason == "error"


async def test_a_connection_that_was_closed_meanwhile_is_not_used_again(
    api: Api, *, aiohttp: bool | None
):
    whole = api.word + api.stop
    head = f"content-type: text/event-stream\r\ncontent-length: {len(whole)}\r\n"
    closed: list[anyio.Event] = []

    async def once(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + whole)
        closed[-1].set()

    async with served(once) as port:
        adapter = api.make(f"http://127.0.0.1:{port}", aiohttp=aiohttp)
        with anyio.fail_after(10):
            for _ in range(3):
                closed.append(anyio.Event())
                check_whole([chunk async for chunk in adapter.stream(HELLO)])
                await closed[-1].wait()
        await adapter.aclose()


# --- what comes back ------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_answer_is_read(coding: str, api: Api, *, aiohttp: bool | None):
    pack = gzip.compress if coding == "gzip" else zlib.compress

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            head = (await stream.receive()).decode("latin-1").lower()
            assert coding in head.partition("accept-encoding:")[2].partition("\r\n")[0]
            body = pack(api.word + api.stop)
            length = f"content-encoding: {coding}\r\ncontent-length: {len(body)}\r\n"
            await stream.send(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode() + body)

    async with served(serve) as port:
        check_whole(await collect(api.make(f"http://127.0.0.1:{port}", aiohttp=aiohttp)))


async def test_long_headers_are_read(api: Api, *, aiohttp: bool | None):
    answer = api.answer(headers={"content-security-policy": "x" * 20_000})
    async with replay_server(answer) as server:
        check_whole(await collect(api.make(server.url, aiohttp=aiohttp)))


async def test_a_hundred_streams_run_side_by_side(api: Api, *, aiohttp: bool | None):
    async with replay_server(api.answer(hang_after=1)) as server:
        adapter = api.make(server.url, aiohttp=aiohttp)
        said: list[int] = []
        everyone = anyio.Event()

        async def read() -> None:
            async for chunk in adapter.stream(HELLO):
                if isinstance(chunk, TextDelta):
                    said.append(1)
                    if len(said) == 100:
                        everyone.set()

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(100):
                    tasks.start_soon(read)
                await everyone.wait()
                tasks.cancel_scope.cancel()
            await adapter.aclose()


# --- event loops ----------------------------------------------------------------------------------


def test_one_adapter_serves_loops_in_several_threads(api: Api):
    told: list[list[UIMessageChunk]] = []

    async def use() -> None:
        async with replay_server(api.answer()) as server:
            adapters = [api.make(server.url)]
            together = threading.Barrier(4)

            async def ask() -> list[UIMessageChunk]:
                return [chunk async for chunk in adapters[0].stream(HELLO)]

            def thread() -> None:
                together.wait(20)
                told.append(asyncio.run(ask()))

            with anyio.fail_after(30):
                async with anyio.create_task_group() as tasks:
                    for _ in range(4):
                        tasks.start_soon(anyio.to_thread.run_sync, thread)

    asyncio.run(use())
    assert len(told) == 4
    for chunks in told:
        check_whole(chunks)


QUIET = """
import asyncio, logging, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_provider_clients as here
logging.basicConfig()
api = here.APIS[sys.argv[2]]
adapters = []

async def use():
    async with here.replay_server(api.answer()) as server:
        adapters.append(api.make(server.url))
        here.check_whole([chunk async for chunk in adapters[-1].stream(here.HELLO)])

if sys.argv[3] == "run":
    asyncio.run(use())
else:  # without the ceremony: no `shutdown_asyncgens`
    loop = asyncio.new_event_loop()
    loop.run_until_complete(use())
    loop.close()
print("done")
"""


@pytest.mark.parametrize("ends", ["run", "bare loop"])
@pytest.mark.parametrize("api_name", ["gemini", "openai-chat"])
def test_a_program_that_never_closes_the_adapter_ends_quietly(ends: str, api_name: str):
    folder = str(Path(__file__).parent)
    ended = subprocess.run(
        [sys.executable, "-c", QUIET, folder, api_name, ends],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


# --- clients of yours, and trio -------------------------------------------------------------------


def own_openai(url: str) -> tuple[Any, Any, Callable[[Any], ModelAdapter]]:
    import openai
    from chat_transport_openai import OpenAIChat

    http = openai.DefaultAsyncHttpxClient()
    client = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", http_client=http, max_retries=0)
    return http, client, lambda given: OpenAIChat("m", client=given)


def own_anthropic(url: str) -> tuple[Any, Any, Callable[[Any], ModelAdapter]]:
    import anthropic
    from chat_transport_anthropic import AnthropicMessages

    http = anthropic.DefaultAsyncHttpxClient()
    client = anthropic.AsyncAnthropic(api_key="k", base_url=url, http_client=http, max_retries=0)
    return http, client, lambda given: AnthropicMessages("m", client=given)


def own_gemini(url: str) -> tuple[Any, Any, Callable[[Any], ModelAdapter]]:
    from chat_transport_google_genai import Gemini, _adapter
    from google import genai

    http = _adapter._http_class()()
    options = genai.types.HttpOptions(base_url=url, httpx_async_client=http)
    client = genai.Client(api_key="k", http_options=options)
    return http, client, lambda given: Gemini("m", client=given)


def own_ollama(url: str) -> tuple[Any, Any, Callable[[Any], ModelAdapter]]:
    import ollama
    from chat_transport_ollama import Ollama

    client = ollama.AsyncClient(host=url)
    return client._client, client, lambda given: Ollama("m", client=given)


OWN = {
    "openai-chat": own_openai,
    "anthropic": own_anthropic,
    "gemini": own_gemini,
    "ollama": own_ollama,
}


@pytest.mark.parametrize("name", sorted(OWN))
async def test_a_client_of_yours_is_used_as_it_is_and_stays_open(name: str):
    async with replay_server(APIS[name].answer()) as server:
        http, client, adapt = OWN[name](server.url)
        http.headers["x-mine"] = "yes"
        check_whole(await collect(adapt(client)))
        assert not http.is_closed
        await http.aclose()
    assert "x-mine: yes" in server.requests[0].head.lower()


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning"
)  # httpx leaves generators, which trio tells of
@pytest.mark.parametrize("name", sorted(APIS))
def test_on_trio_httpx_is_used(name: str):
    async def use() -> None:
        async with replay_server(APIS[name].answer()) as server:
            check_whole(await collect(APIS[name].make(server.url)))

    anyio.run(use, backend="trio")
