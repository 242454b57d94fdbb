"""`chat-transport`: demo, serve, broker, chat, check.

Rule: each command that serves prints `ready ADDRESS` when a client may connect, fails with one
sentence and exit code 2, and ends cleanly on SIGINT and SIGTERM.
"""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, cast

import anyio
import typer

from ..broker.command import parse_namespace
from ..errors import LocalProtocolError
from ..testing.fixtures import check_fixtures
from ..testing.traces import run_traces
from ..testing.vectors import run_vectors
from . import _broker, _check, _server, _targets, _terminal
from ._failure import EXIT_REFUSED, CommandFailed
from ._models import find_model
from ._serving import run_until_signal

__all__ = ["app", "run"]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
check = typer.Typer(rich_markup_mode=None, help="Compare recorded behaviour with ours.")
app.add_typer(check, name="check")

_BadArguments = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])  # its parent
"""click's `ClickException`, wherever typer has it: inside since 0.20, from click before."""

Port = Annotated[int, typer.Option(help="Where to listen; 0 lets the system choose.")]
Host = Annotated[str, typer.Option(help="Which address to listen on.")]
Web = Annotated[Path | None, typer.Option(help="Folder of the built web page.")]
Recordings = Annotated[Path, typer.Argument(help="A folder of recordings, or one file.")]


def _show_version(asked: bool) -> None:
    if asked:
        print(f"chat-transport {version('chat-transport')}")
        raise typer.Exit


@app.callback()
def _options(
    shows_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Chat over HTTP and Ably, from one command."""


@app.command()
def demo(
    port: Port = 3000,
    host: Host = "127.0.0.1",
    model: Annotated[
        str | None, typer.Option(help="demo, openai:NAME, ...; by default what a key is set for.")
    ] = None,
    web: Web = None,
    broker_port: Annotated[int, typer.Option(help="Port of the embedded broker; 0: any.")] = 0,
) -> None:
    """Everything in one process: a broker, an agent and the web page. Needs no account."""
    name = model or _default_model()
    settings = _server.ServeSettings(
        host=host, port=port, model=find_model(name), model_name=name, web=web
    )

    async def serve(stopping: anyio.Event) -> None:
        key = f"demo.key:{secrets.token_urlsafe(24)}"
        async with _server.embedded_broker(key, host=host, port=broker_port) as ably:
            await _server.serve(settings, ably, stopping)

    anyio.run(run_until_signal, serve)


@app.command()
def serve(  # noqa: PLR0917  # typer reads a signature
    port: Port = 8000,
    host: Host = "127.0.0.1",
    model: Annotated[str, typer.Option(help="demo, openai:NAME or openai-chat:NAME.")] = "demo",
    ably_key: Annotated[
        str | None,
        typer.Option(envvar="ABLY_API_KEY", help="appId.keyId:secret; without, HTTP only."),
    ] = None,
    ably_endpoint: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Another broker than Ably's cloud.")
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls/--no-tls", help="Whether that broker has TLS.")
    ] = True,
    channels: Annotated[
        list[str] | None, typer.Option(help="Channels to answer on; repeat. [default: ai:*]")
    ] = None,
    web: Web = None,
    data: Annotated[Path | None, typer.Option(help="SQLite file that keeps HTTP chats.")] = None,
) -> None:
    """Serve an agent at /api/chat, on Ably if there is a key, and the web page at /."""
    settings = _server.ServeSettings(
        host=host, port=port, model=find_model(model), model_name=model, web=web, data=data
    )
    ably = None
    if ably_key is not None:
        ably = _server.AblySettings(
            key=_server.read_key(ably_key),
            endpoint=ably_endpoint,
            tls=tls,
            channels=_named(channels or ["ai:*"]),
        )
    elif ably_endpoint is not None or channels or not tls:
        raise CommandFailed("unable to use Ably without a key; give --ably-key or ABLY_API_KEY")

    async def serve_it(stopping: anyio.Event) -> None:
        await _server.serve(settings, ably, stopping)

    anyio.run(run_until_signal, serve_it)


@app.command()
def broker(  # noqa: PLR0917  # typer reads a signature
    port: Port = 8090,
    host: Host = "127.0.0.1",
    key: Annotated[list[str] | None, typer.Option(help="appId.keyId:secret; repeat.")] = None,
    data: Annotated[Path | None, typer.Option(help="SQLite file that keeps the channels.")] = None,
    namespace: Annotated[
        list[str] | None, typer.Option(help="name:persisted,mutable,authenticated; repeat.")
    ] = None,
    inspect: Annotated[
        bool, typer.Option("--inspect", help="Show channels and live traffic at /inspect.")
    ] = False,
    cert: Annotated[Path | None, typer.Option(help="Certificate file, for TLS.")] = None,
    cert_key: Annotated[Path | None, typer.Option(help="Its private key.")] = None,
) -> None:
    """A local Ably for development and tests: the official SDKs connect to it."""
    try:
        namespaces = [parse_namespace(text) for text in namespace or ()]
    except ValueError as error:
        raise CommandFailed(str(error)) from error
    if (cert is None) != (cert_key is None):
        raise CommandFailed("unable to serve TLS; give both --cert and --cert-key")
    certificate = (str(cert), str(cert_key)) if cert is not None else None
    keys = key or ["app.key:secret"]
    for text in keys:
        _server.read_key(text)

    async def serve_it(stopping: anyio.Event) -> None:
        await _broker.serve(
            keys,
            namespaces,
            host=host,
            port=port,
            data=data,
            certificate=certificate,
            inspect=inspect,
            stopping=stopping,
        )

    anyio.run(run_until_signal, serve_it)


@app.command()
def chat(  # noqa: PLR0917  # typer reads a signature
    target: Annotated[str, typer.Argument(help="http://HOST:PORT or ably:CHANNEL")],
    chat_id: Annotated[str, typer.Option("--id", help="Which chat, over HTTP.")] = "terminal",
    client_id: Annotated[
        str | None, typer.Option(help="Who you are, over Ably. [default: your user name]")
    ] = None,
    ably_key: Annotated[
        str | None, typer.Option(envvar="ABLY_API_KEY", help="appId.keyId:secret")
    ] = None,
    ably_endpoint: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Another broker than Ably's cloud.")
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls/--no-tls", help="Whether that broker has TLS.")
    ] = True,
    server: Annotated[
        str | None,
        typer.Option(help="A `serve` or `demo` that gives tokens and wakes its agent on Ably."),
    ] = None,
    invoke: Annotated[
        str | None, typer.Option(help="Where to POST to wake an agent that does not listen.")
    ] = None,
) -> None:
    """Chat in the terminal. Ctrl-C stops the reply, a second one leaves."""
    if target.startswith("ably:"):
        channel = target.removeprefix("ably:")
        transport = _targets.AblyTarget(
            channel=channel,
            client_id=client_id or getpass.getuser(),
            key=ably_key if server is None else None,
            endpoint=ably_endpoint,
            tls=tls,
            server=server,
            invoke=invoke,
        ).transport()
        chat_id, address = channel, target
    else:
        transport, address = _targets.http_target(target)

    async def talk() -> None:
        await _terminal.chat_in_terminal(transport, chat_id=chat_id, address=address)

    anyio.run(talk)


@check.command()
def vectors(path: Recordings) -> None:
    """UI protocol vectors: reducer, stream, requests, chat."""
    raise typer.Exit(_check.run_check(run_vectors, path))


@check.command()
def traces(path: Recordings) -> None:
    """Ably AI Transport traces, written and read."""
    raise typer.Exit(_check.run_check(run_traces, path))


@check.command()
def fixtures(
    path: Recordings,
    golden: Annotated[
        Path | None, typer.Option(help="Folder of golden chunks; without it, replay only.")
    ] = None,
) -> None:
    """Recorded provider streams, through the installed adapters and their SDKs."""
    if golden is not None and not golden.is_dir():
        raise CommandFailed(f"unable to compare with {str(golden)!r}; no such folder")

    def replayed(folder: Path, show: Callable[[str], object]) -> tuple[int, int]:
        return anyio.run(partial(check_fixtures, folder, golden, write=show))

    raise typer.Exit(_check.run_check(replayed, path))


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(_exit_code(sys.argv[1:] if arguments is None else arguments))


def _exit_code(arguments: Sequence[str]) -> int:
    command = typer.main.get_command(app)
    try:
        code = command.main(list(arguments), prog_name="chat-transport", standalone_mode=False)
    except _BadArguments as error:
        return _refuse(f"{error.format_message().rstrip('.')}; see --help")
    except (CommandFailed, LocalProtocolError) as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return 0
    return code if isinstance(code, int) else 0


def _refuse(sentence: str) -> int:
    print(f"chat-transport: {' '.join(sentence.split())}", file=sys.stderr)
    return EXIT_REFUSED


def _named(channels: Sequence[str]) -> tuple[str, ...]:
    if not all(channels):
        raise CommandFailed("unable to serve a channel without a name; give --channels NAME")
    return tuple(channels)


def _default_model() -> str:
    if os.environ.get("OPENAI_API_KEY"):
        return f"openai:{os.environ.get('OPENAI_MODEL', 'gpt-5-mini')}"
    return "demo"
