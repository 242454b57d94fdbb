"""The broker as a command: arguments in, a `ready` line out, clean end on SIGINT and SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

import anyio

from chat_transport.broker.broker import Broker
from chat_transport.broker.serving import serve_broker
from chat_transport.broker.settings import OPEN, Namespace
from chat_transport.errors import TransportError

__all__ = ["parse_namespace", "run", "serve_until_signal"]

EXIT_BAD_ARGUMENTS = 2


def parse_namespace(text: str) -> Namespace:
    """Read `name` or `name:persisted,mutable,authenticated`; what is not named is off.

    Raises:
        ValueError: If there is another word.
    """
    name, _, words = text.partition(":")
    flags = set(filter(None, words.split(",")))
    unknown = flags - {"persisted", "mutable", "authenticated"}
    if unknown or not name:
        raise ValueError(
            f"a namespace looks like name:persisted,mutable,authenticated, not {text!r}"
        )
    return Namespace(
        name,
        persisted="persisted" in flags,
        mutable_messages="mutable" in flags,
        authenticated="authenticated" in flags,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chat-transport broker", description="A local Ably for development and tests."
    )
    parser.add_argument("--port", type=int, default=8090, help="0 lets the system choose")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--key", action="append", help="API key app.key:secret; repeat for more (app.key:secret)"
    )
    parser.add_argument("--data", help="SQLite file that keeps the channels")
    parser.add_argument(
        "--namespace",
        action="append",
        default=[],
        help="name:persisted,mutable,authenticated; without, every channel can do everything",
    )
    parser.add_argument(
        "--inspect", action="store_true", help="show channels and live traffic at /inspect"
    )
    parser.add_argument("--cert", help="certificate file, for TLS")
    parser.add_argument("--cert-key", help="its private key")
    return parser


async def serve_until_signal(
    broker: Broker,
    *,
    host: str,
    port: int,
    certificate: tuple[str, str] | None = None,
    inspect: bool = False,
) -> None:
    """Serve a broker until SIGINT or SIGTERM; print `ready` when it listens."""
    async with serve_broker(
        broker=broker, host=host, port=port, certificate=certificate, inspect=inspect
    ) as running:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            print(f"ready {running.url}", flush=True)  # noqa: T201 - the command's contract
            async for _ in signals:
                break


def run(arguments: Sequence[str]) -> int:
    """Run the command; give its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.cert is None) != (options.cert_key is None):
        parser.error("unable to serve TLS; give both --cert and --cert-key")
    certificate = (options.cert, options.cert_key) if options.cert else None
    try:
        broker = Broker(
            options.key or ["app.key:secret"],
            namespaces=[parse_namespace(text) for text in options.namespace],
            undeclared=OPEN,
            data=options.data,
        )
        anyio.run(
            lambda: serve_until_signal(
                broker,
                host=options.host,
                port=options.port,
                certificate=certificate,
                inspect=options.inspect,
            )
        )
    except (TransportError, ValueError) as error:
        print(f"chat-transport broker: {error}", file=sys.stderr)  # noqa: T201 - one clear sentence
        return EXIT_BAD_ARGUMENTS
    broker.close()
    return 0
