from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import httpx
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chat_transport.agent.run import Run
from chat_transport.chunks import Finish, Start, TextDelta, TextStart, UIMessageChunk
from chat_transport.codecs.ui_stream import encode_sse
from chat_transport.errors import (
    ConnectFailed,
    RemoteProtocolError,
    RequestRejected,
    StreamInterrupted,
    TransportClosed,
)
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.reply_reader import ReconnectPolicy

pytestmark = pytest.mark.anyio
FAST = ReconnectPolicy(attempts=3, first_s=0.01, longest_s=0.02)
REPLY: list[UIMessageChunk] = [
    Start(message_id="a1"),
    TextStart(id="t"),
    TextDelta(id="t", delta="one "),
    TextDelta(id="t", delta="two "),
    TextDelta(id="t", delta="three"),
    Finish(finish_reason="stop"),
]


def ask(chat_id: str = "c1") -> SendMessages:
    return SendMessages(chat_id=chat_id, messages=[UIMessage.user("hi", id="u1")])


Answer = tuple[int, dict[str, str], bytes, bool]
"""Status, headers, body, and whether the connection is cut after it."""


class Scripted:
    """A server that answers by a list, and keeps what it was asked."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []


@contextmanager
def scripted(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, Scripted]]:
    script = Scripted(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.asked.append((self.command, self.path, headers, self.rfile.read(length)))
            status, named, body, cut = script.answers.pop(0)
            if status == 0:
                self.connection.close()
                return
            self.send_response(status)
            for name, value in named.items():
                self.send_header(name, value)
            if cut:
                self.send_header("content-length", str(len(body) + 100))
            elif status != 204:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if cut:
                self.close_connection = True

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_port}/api/chat", script
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def sse(chunks: list[UIMessageChunk], *, done: bool = False) -> bytes:
    return b"".join(map(encode_sse, chunks)) + (b"data: [DONE]\n\n" if done else b"")


async def read(transport: HttpChatTransport, request: SendMessages | None = None):
    async with transport.send_messages(request or ask()) as reply:
        return [chunk async for chunk in reply]


async def test_a_cut_reply_is_resumed_from_the_cursor_without_duplicates():
    ours = {"x-chat-run-id": "r1", "x-chat-cursor": "1"}
    with (
        anyio.fail_after(10),
        scripted(
            (200, ours, b"id: 1\n" + sse(REPLY[:3]), True),
            (200, ours, b"id: 4\n" + sse(REPLY[3:]), False),
        ) as (url, script),
    ):
        async with HttpChatTransport(url, reconnect=FAST) as transport:
            assert await read(transport) == REPLY
    (post, get) = script.asked
    assert (post[0], get[0], get[1]) == ("POST", "GET", "/api/chat/c1/stream")
    assert get[2]["last-event-id"] == "3"
    assert get[2]["x-chat-run-id"] == "r1"


async def test_a_server_that_replays_is_followed_without_duplicates():
    with (
        anyio.fail_after(10),
        scripted(
            (200, {}, sse(REPLY[:4]), True),
            (200, {}, sse(REPLY[:2]), True),
            (200, {}, sse(REPLY, done=True), False),
        ) as (url, script),
    ):
        async with HttpChatTransport(url, reconnect=FAST) as transport:
            assert await read(transport) == REPLY
    assert [asked[0] for asked in script.asked] == ["POST", "GET", "GET"]


async def test_a_server_that_replays_another_reply_is_not_believed():
    other = [Start(message_id="other"), *REPLY[1:]]
    with (
        anyio.fail_after(10),
        scripted((200, {}, sse(REPLY[:4]), True), (200, {}, sse(other), False)) as (url, _),
    ):
        async with HttpChatTransport(url, reconnect=FAST) as transport:
            with pytest.raises(StreamInterrupted) as caught:
                await read(transport)
    assert caught.value.resumable


async def test_a_body_that_ends_early_without_a_fault_is_not_a_reply():
    with (
        anyio.fail_after(10),
        scripted((200, {}, sse(REPLY[:4]), False), (204, {}, b"", False)) as (
            url,
            _,
        ),
    ):
        async with HttpChatTransport(url, reconnect=FAST) as transport:
            with pytest.raises(StreamInterrupted, match="nothing to resume") as caught:
                await read(transport)
    assert not caught.value.resumable


async def test_done_without_a_terminal_chunk_is_a_good_end():
    with anyio.fail_after(10), scripted((200, {}, sse(REPLY[:4], done=True), False)) as (url, _):
        async with HttpChatTransport(url, reconnect=FAST) as transport:
            assert await read(transport) == REPLY[:4]


async def test_it_gives_up_after_so_many_attempts():
    cut: Answer = (200, {}, sse(REPLY[:2]), True)
    fault: Answer = (0, {}, b"", True)
    with anyio.fail_after(10), scripted(cut, fault, fault, fault) as (url, _):
        async with HttpChatTransport(url, reconnect=FAST) as transport:
            with pytest.raises(StreamInterrupted, match="gave up after 3 attempts") as caught:
                await read(transport)
    assert caught.value.resumable


async def test_without_a_policy_a_cut_reply_is_raised_at_once():
    with anyio.fail_after(10), scripted((200, {}, sse(REPLY[:2]), True)) as (url, script):
        async with HttpChatTransport(url, reconnect=None) as transport:
            with pytest.raises(StreamInterrupted):
                await read(transport)
    assert len(script.asked) == 1


async def test_a_lost_answer_is_looked_for_before_the_prompt_is_sent_again():
    ours = {"x-chat-cursor": "1"}
    with (
        anyio.fail_after(10),
        scripted(
            (0, {}, b"", True),
            (204, ours, b"", False),
            (200, ours, sse(REPLY), False),
        ) as (url, script),
    ):
        async with HttpChatTransport(url, reconnect=FAST) as transport:
            assert await read(transport) == REPLY
    lost, looked, again = script.asked
    assert (lost[0], looked[0], again[0]) == ("POST", "GET", "POST")
    assert len({asked[2]["idempotency-key"] for asked in script.asked}) == 1


async def test_a_lost_answer_of_a_server_that_cannot_tell_is_not_repeated():
    with anyio.fail_after(10), scripted((0, {}, b"", True), (204, {}, b"", False)) as (url, script):
        async with HttpChatTransport(url, reconnect=FAST) as transport:
            with pytest.raises(StreamInterrupted, match="unable to tell whether"):
                await read(transport)
    assert [asked[0] for asked in script.asked] == ["POST", "GET"]


async def test_a_refusal_carries_status_and_words():
    with anyio.fail_after(10), scripted((429, {}, b"slow down", False)) as (url, _):
        async with HttpChatTransport(url) as transport:
            with pytest.raises(RequestRejected, match="slow down") as caught:
                await read(transport)
    assert caught.value.status == 429
    assert caught.value.body == "slow down"
    assert caught.value.__notes__ == [f"POST {url} was answered with 429"]


async def test_nobody_there_is_connect_failed():
    async with HttpChatTransport("http://127.0.0.1:1/api/chat") as transport:
        with pytest.raises(ConnectFailed, match="unable to reach"):
            await read(transport)


async def test_use_before_entering_says_so():
    with pytest.raises(TransportClosed, match="not entered"):
        await read(HttpChatTransport("http://127.0.0.1:1/api/chat"))


async def test_what_is_not_a_chunk_ends_the_stream_after_the_chunks_before_it():
    with (
        anyio.fail_after(10),
        scripted((200, {}, sse(REPLY[:2]) + b"data: {}\n\n", False)) as (
            url,
            _,
        ),
    ):
        async with HttpChatTransport(url) as transport, transport.send_messages(ask()) as reply:
            assert [await reply.__anext__(), await reply.__anext__()] == REPLY[:2]
            with pytest.raises(RemoteProtocolError):
                await reply.__anext__()


async def test_silence_longer_than_the_idle_timeout_is_a_lost_connection(
    serve: Callable[[object], str], gate
):
    async def silent(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        await gate.passed()

    url = serve(create_app(silent)) + "/api/chat"
    with anyio.fail_after(10):
        async with HttpChatTransport(url, idle_timeout_s=1, reconnect=None) as transport:
            with pytest.raises(StreamInterrupted, match="lost the connection"):
                await read(transport)
        gate.open()


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_a_client_of_yours_is_used_and_not_closed(
    serve: Callable[[object], str], handlers, library, anyio_backend_name: str
):
    url = serve(create_app(handlers.echo))
    with anyio.fail_after(10):
        async with library.AsyncClient(base_url=url) as client:
            async with HttpChatTransport(client=client) as transport:
                chunks = await read(transport)
            assert not client.is_closed
    assert chunks[-1] == Finish(finish_reason="stop")


async def test_a_faulty_client_of_another_library_is_understood():
    async with httpx.AsyncClient() as client:
        async with HttpChatTransport("http://127.0.0.1:1/x", client=client) as transport:
            with pytest.raises(ConnectFailed):
                await read(transport)


async def test_credentials_omit_keeps_cookies_at_home():
    with (
        anyio.fail_after(10),
        scripted((200, {}, sse(REPLY), False), (200, {}, sse(REPLY), False)) as (url, script),
    ):
        async with httpx2.AsyncClient(cookies={"session": "s"}) as client:
            async with HttpChatTransport(url, client=client) as transport:
                await read(transport)
            async with HttpChatTransport(url, client=client, credentials="omit") as transport:
                await read(transport)
    assert "cookie" in script.asked[0][2]
    assert "cookie" not in script.asked[1][2]


async def test_headers_are_resolved_for_each_request():
    tokens = iter(["one", "two"])

    async def headers() -> dict[str, str | None]:
        return {"Authorization": next(tokens)}

    answers: list[Answer] = [(200, {}, sse(REPLY), False)] * 2
    with anyio.fail_after(10), scripted(*answers) as (url, script):
        async with HttpChatTransport(url, headers=headers) as transport:
            await read(transport)
            await read(transport)
    assert [asked[2]["authorization"] for asked in script.asked] == ["one", "two"]


async def test_a_resume_that_finds_nothing_is_none_and_one_that_fails_raises():
    with anyio.fail_after(10), scripted((204, {}, b"", False), (404, {}, b"no", False)) as (url, _):
        async with HttpChatTransport(url) as transport:
            async with transport.reconnect_to_stream(Reconnect(chat_id="c")) as stream:
                assert stream is None
            with pytest.raises(RequestRejected):
                async with transport.reconnect_to_stream(Reconnect(chat_id="c")):
                    pytest.fail("entered")


async def test_history_that_is_none_says_so():
    with anyio.fail_after(10), scripted((200, {}, b'{"messages": 3}', False)) as (url, _):
        async with HttpChatTransport(url) as transport:
            with pytest.raises(RemoteProtocolError, match="is not a history"):
                await transport.load_history("c")


async def test_a_history_with_a_bad_part_is_read_as_far_as_it_goes(caplog):
    page = b'{"messages": [{"id": "a", "role": "assistant", "parts": [{"type": "dance"}, {"type": "text", "text": "hi"}]}]}'
    with anyio.fail_after(10), scripted((200, {}, page, False)) as (url, _):
        async with HttpChatTransport(url) as transport:
            history = await transport.load_history("c")
    assert [message.text for message in history.messages] == ["hi"]
    assert "messages[0].parts[0]" in caplog.text


async def test_an_error_in_the_block_leaves_bare(serve: Callable[[object], str], handlers):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    with anyio.fail_after(10):
        async with HttpChatTransport(url) as transport:
            with pytest.raises(ZeroDivisionError):
                async with transport.send_messages(ask()):
                    raise ZeroDivisionError


async def test_a_cookie_of_the_server_comes_back_to_it():
    named = {"set-cookie": "session=s1; Path=/"}
    with (
        anyio.fail_after(10),
        scripted((200, named, sse(REPLY), False), (200, {}, sse(REPLY), False)) as (url, script),
    ):
        async with HttpChatTransport(url) as transport:
            await read(transport)
            await read(transport)
    assert "cookie" not in script.asked[0][2]
    assert script.asked[1][2]["cookie"] == "session=s1"


async def test_a_proxy_of_your_client_is_used():
    with anyio.fail_after(10), scripted((200, {}, sse(REPLY), False)) as (proxy, script):
        async with httpx2.AsyncClient(proxy=proxy.removesuffix("/api/chat")) as client:
            async with HttpChatTransport("http://chat.invalid/talk", client=client) as transport:
                assert await read(transport) == REPLY
    assert script.asked[0][1] == "http://chat.invalid/talk"


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch):
    with anyio.fail_after(10), scripted((200, {}, sse(REPLY), False)) as (proxy, script):
        monkeypatch.setenv("HTTP_PROXY", proxy.removesuffix("/api/chat"))
        async with HttpChatTransport("http://chat.invalid/talk") as transport:
            assert await read(transport) == REPLY
    assert script.asked[0][1] == "http://chat.invalid/talk"


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "chat")])
    now = dt.datetime.now(dt.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "chat.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(pem))
    return file


async def test_tls_is_checked_by_the_client_you_give(tmp_path: Path):
    file = certificate(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    trusting = ssl.create_default_context(cafile=str(file))
    with anyio.fail_after(10), scripted((200, {}, sse(REPLY), False), tls=serving) as (url, script):
        async with HttpChatTransport(url) as transport:
            with pytest.raises(ConnectFailed, match=r"(?i)certificate"):
                await read(transport)
        async with httpx2.AsyncClient(verify=trusting) as client:
            async with HttpChatTransport(url, client=client) as transport:
                assert await read(transport) == REPLY
    assert len(script.asked) == 1


@pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", "application/json"])
async def test_a_page_is_no_reply(media_type: str):
    page = (200, {"content-type": media_type}, b"<h1>hello</h1>", False)
    with anyio.fail_after(10), scripted(page) as (url, script):
        async with HttpChatTransport(url) as transport:
            with pytest.raises(RemoteProtocolError, match="is this the chat's address") as caught:
                await read(transport)
    assert url in str(caught.value)
    assert len(script.asked) == 1
