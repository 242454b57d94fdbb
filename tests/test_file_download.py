"""Files are fetched only where it was allowed."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chat_transport.chunks import Finish, UIMessageChunk
from chat_transport.errors import LocalProtocolError
from chat_transport.file_address import FileAddress, look_up
from chat_transport.file_download import Download, DownloadsFiles, FileMoved, fetch_with
from chat_transport.messages import FilePart, TextPart, UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

pytestmark = pytest.mark.anyio

ALLOWED = "https://files.example.com/a.png"
PUBLIC, PRIVATE = "8.8.8.8", "10.0.0.1"


class Names:
    """Looks hosts up: another answer each time, the last one from then on."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer.split()


class Model(ModelAdapter):
    provider, model = "p", "m"

    def __init__(self) -> None:
        self.asked: list[UIMessage] = []
        self.is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        self.asked = list(messages)
        yield Finish()


def message(*urls: str, role: str = "user") -> UIMessage:
    files = [FilePart(media_type="image/png", url=url) for url in urls]
    return UIMessage(id="1", role=role, parts=[TextPart(text="see"), *files])


async def urls_sent(*messages: UIMessage) -> tuple[list[str], list[str]]:
    fetched: list[str] = []

    async def download(file: FileAddress) -> AsyncGenerator[bytes, None]:
        fetched.append(file.url)
        yield b"p"
        yield b"ng"

    inner = Model()
    hosts = ["Files.example.com"]
    model = DownloadsFiles(inner, download=download, hosts=hosts, resolve=Names(PUBLIC))
    assert [chunk async for chunk in model.stream(messages)] == [Finish()]
    parts = [part for one in inner.asked for part in one.parts]
    return [part.url for part in parts if isinstance(part, FilePart)], fetched


async def test_a_file_of_an_allowed_host_is_sent_inline():
    assert await urls_sent(message(ALLOWED)) == (["data:image/png;base64,cG5n"], [ALLOWED])


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.com/a.png",
        "https://evil.files.example.com/a.png",
        "https://files.example.com@evil.example/a.png",
        "https://files.example.com.evil.example/a.png",
        "http://files.example.com/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,cG5n",
        "https://[files.example.com/a.png",
        "https://0x08.0x08.0x08.0x08/a.png",
    ],
)
async def test_nothing_else_is_fetched(url: str):
    assert await urls_sent(message(url)) == ([url], [])


async def test_only_users_files_are_fetched():
    assert await urls_sent(message(ALLOWED, role="assistant")) == ([ALLOWED], [])


async def read(download: Download, url: str = ALLOWED, **options: Any) -> Model:
    inner = Model()
    hosts = ["files.example.com", "127.0.0.1", "localhost", "::1", "cdn.example.com"]
    options = {"resolve": Names(PUBLIC)} | options
    model = DownloadsFiles(inner, download=download, hosts=hosts, **options)
    with anyio.fail_after(5):
        async for _ in model.stream([message(url)]):
            pass
    return inner


async def test_reading_stops_at_the_limit_before_the_model_is_asked():
    given: list[int] = []
    closed: list[bool] = []

    async def endless(_file: FileAddress) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                given.append(1)
                yield b"123"
        finally:
            closed.append(True)

    with pytest.raises(LocalProtocolError, match="longer than the 4 bytes allowed"):
        await read(endless, max_bytes=4)
    assert len(given) == 2
    assert closed == [True]


async def test_a_file_as_long_as_allowed_is_sent():
    async def download(_file: FileAddress) -> AsyncGenerator[bytes, None]:
        yield b"1234"

    (asked,) = (await read(download, max_bytes=4)).asked
    assert isinstance(asked.parts[1], FilePart)
    assert asked.parts[1].url.endswith("MTIzNA==")


async def test_a_file_that_does_not_come_is_given_up():
    async def download(_file: FileAddress) -> AsyncGenerator[bytes, None]:
        await anyio.sleep_forever()
        yield b""

    with pytest.raises(LocalProtocolError, match=r"within 0\.01 s"):
        await read(download, timeout_s=0.01)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_a_private_address_is_not_asked_even_if_its_host_was_named(host: str):
    asked: list[str] = []

    async def download(file: FileAddress) -> AsyncGenerator[bytes, None]:
        asked.append(file.url)
        yield b""

    url = f"https://{host}/a.png"
    with pytest.raises(LocalProtocolError, match="is not a public one"):
        await read(download, url, resolve=look_up)
    assert asked == []
    await read(download, url, resolve=look_up, allows_private=True)
    assert asked == [url]


async def test_what_was_checked_is_what_is_asked_though_the_name_changes():
    asked: list[tuple[str, ...]] = []

    async def download(file: FileAddress) -> AsyncGenerator[bytes, None]:
        asked.append(file.addresses)
        yield b""

    names = Names(PUBLIC, PRIVATE)
    await read(download, resolve=names)
    assert names.asked == [("files.example.com", 443)]
    assert asked == [(PUBLIC,)]
    with pytest.raises(LocalProtocolError, match=r"its address 10\.0\.0\.1 is not a public one"):
        await read(download, resolve=names)
    assert asked == [(PUBLIC,)]


def moving(*locations: str) -> tuple[Download, list[str]]:
    """A download that says each place in turn, then gives the file; and what it was asked for."""
    left, asked = list(locations), []

    async def download(file: FileAddress) -> AsyncGenerator[bytes, None]:
        asked.append(file.url)
        if left:
            raise FileMoved(left.pop(0))
        yield b"png"

    return download, asked


async def test_a_file_that_moved_between_allowed_hosts_is_fetched_there():
    download, asked = moving("/b.png", "https://cdn.example.com/c.png?d")
    (message_sent,) = (await read(download)).asked
    assert asked == [
        ALLOWED,
        "https://files.example.com/b.png",
        "https://cdn.example.com/c.png?d",
    ]
    assert message_sent.parts[1].url == "data:image/png;base64,cG5n"


@pytest.mark.parametrize(
    "place",
    [
        "https://other.example.com/a.png",
        "http://cdn.example.com/a.png",
        "//169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "file:///etc/passwd",
        "https://[cdn.example.com/",
    ],
)
async def test_a_file_that_moved_elsewhere_is_not_fetched(place: str):
    download, asked = moving(place)
    with pytest.raises(LocalProtocolError, match=r"it has moved to .*`hosts`"):
        await read(download)
    assert asked == [ALLOWED]


async def test_the_address_is_checked_anew_at_each_redirect():
    download, asked = moving("https://cdn.example.com/b.png")
    names = Names(PUBLIC, PRIVATE)
    with pytest.raises(
        LocalProtocolError, match=r"host 'cdn\.example\.com'; its address 10\.0\.0\.1"
    ):
        await read(download, resolve=names)
    assert asked == [ALLOWED]
    assert [host for host, _ in names.asked] == ["files.example.com", "cdn.example.com"]


async def test_a_file_that_moves_in_a_circle_is_given_up():
    download, asked = moving(*["/a.png"] * 50)
    with pytest.raises(LocalProtocolError, match="moved more than 5 times"):
        await read(download)
    assert len(asked) == 6


@dataclass
class Told:
    """What a server of one file saw."""

    port: int = 0
    names: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)


def certificate(folder: Path, host: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "files")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(pem))
    return file


@asynccontextmanager
async def https(file: Path, *answers: bytes) -> AsyncGenerator[Told, None]:
    """Serve one answer a connection, with this certificate, on this machine."""
    told, left = Told(), list(answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.sni_callback = lambda _socket, name, _context: told.names.append(name)

    async def serve(stream: anyio.abc.ByteStream) -> None:
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream):  # a refused certificate
            async with stream:
                told.heads.append((await stream.receive()).decode())
                await stream.send(left.pop(0))

    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    told.port = tcp.extra(anyio.abc.SocketAttribute.local_port)
    listener = TLSListener(tcp, context, standard_compatible=False)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield told
        tasks.cancel_scope.cancel()


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} -\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


LIBRARIES = pytest.mark.parametrize("library", ["httpx", "httpx2"])


@LIBRARIES
async def test_a_client_connects_to_the_address_and_speaks_to_the_name(
    library: str, tmp_path: Path
):
    httpx = pytest.importorskip(library)
    file = certificate(tmp_path, "files.example.com")
    trusting = ssl.create_default_context(cafile=file)
    async with https(file, answer(302, location="/b"), answer(200, b"png")) as told:
        async with httpx.AsyncClient(verify=trusting) as client:
            url = f"https://files.example.com:{told.port}/a.png?b=c%20d"
            names = Names("127.0.0.1")
            inner = await read(fetch_with(client), url, resolve=names, allows_private=True)
    assert inner.asked[0].parts[1].url == "data:image/png;base64,cG5n"
    assert told.names == ["files.example.com"] * 2
    first, second = told.heads
    assert first.startswith("GET /a.png?b=c%20d HTTP/1.1\r\n")
    assert second.startswith("GET /b HTTP/1.1\r\n")
    for head in told.heads:
        assert f"\r\nhost: files.example.com:{told.port}\r\n" in head.lower()


@LIBRARIES
async def test_a_certificate_of_another_name_is_refused(library: str, tmp_path: Path):
    httpx = pytest.importorskip(library)
    file = certificate(tmp_path, "other.example.com")
    trusting = ssl.create_default_context(cafile=file)
    async with https(file, answer(200, b"png")) as told:
        async with httpx.AsyncClient(verify=trusting) as client:
            url = f"https://files.example.com:{told.port}/a.png"
            with pytest.raises(httpx.ConnectError):
                await read(fetch_with(client), url, resolve=Names("127.0.0.1"), allows_private=True)
    assert (told.names, told.heads) == (["files.example.com"], [])


@LIBRARIES
async def test_an_address_that_does_not_answer_is_passed_over(library: str, tmp_path: Path):
    httpx = pytest.importorskip(library)
    file = certificate(tmp_path, "files.example.com")
    trusting = ssl.create_default_context(cafile=file)
    async with https(file, answer(200, b"png"), answer(404)) as told:
        async with httpx.AsyncClient(verify=trusting) as client:
            fetch, url = fetch_with(client), f"https://files.example.com:{told.port}/a.png"
            both = {"resolve": Names("127.0.0.2 127.0.0.1"), "allows_private": True}
            assert (await read(fetch, url, **both)).asked
            with pytest.raises(LocalProtocolError, match="the host answered 404"):
                await read(fetch, url, **both)
            none = {"resolve": Names("127.0.0.2 127.0.0.3"), "allows_private": True}
            with pytest.raises(httpx.ConnectError):
                await read(fetch, url, **none)


async def test_closing_closes_the_model_whose_name_it_bears():
    async def download(_file: FileAddress) -> AsyncGenerator[bytes, None]:
        yield b""

    inner = Model()
    model = DownloadsFiles(inner, download=download, hosts=[])
    await model.aclose()
    assert inner.is_closed
    assert (model.provider, model.model) == ("p", "m")
