"""The page of public names: `python tests/docs/api_page.py > docs/reference/api.md` writes it anew."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "chat_transport": "What an application and an agent need, whatever the wire.",
    "chat_transport.transports.http": "HTTP with SSE, and WebSocket. Client: extra `http`;"
    " `RedisRunLog`: extra `redis`.",
    "chat_transport.transports.ably": "Ably. Extra `ably`; its `create_app`: extra `server`.",
    "chat_transport.telemetry": "OpenTelemetry. Extra `otel`.",
    "chat_transport.broker": "The local Ably for development and tests. Extra `broker`.",
}
MODULES = {
    "chat_transport.chunks": "every chunk: [the list](chunks.md)",
    "chat_transport.errors": "the tree of exceptions",
    "chat_transport.inputs": "what a client asks",
    "chat_transport.messages": "messages and their parts",
    "chat_transport.predicates": "when a `Chat` [sends by itself](../how-to/chat.md#tools-and-approvals)",
    "chat_transport.chat": "`Chat` and what it is made of",
    "chat_transport.agent.trust": "[what a client may claim](../concepts/trust.md)",
    "chat_transport.file_download": "[sending a user's files inline](../concepts/trust.md)",
    "chat_transport.codecs.ui_stream": "chunks as JSON and as server-sent events",
    "chat_transport.model": "what a [provider](../how-to/write-a-provider.md) implements",
    "chat_transport.prompt": "messages as a provider's request needs them",
    "chat_transport.step": "a provider's events to chunks",
    "chat_transport.provider_stream": "an open response to a step",
    "chat_transport.provider_http": "opening a response without an SDK",
    "chat_transport.provider_client": "the SDK's client, made and closed in time",
    "chat_transport.testing.harness": "how the kit gets at a transport",
    "chat_transport.testing.direct_harness": "a harness to copy",
    "chat_transport.testing.requirements": "the kit for [transports](../how-to/write-a-transport.md)",
    "chat_transport.testing.stores": "the kit for [stores](../how-to/write-a-store.md)",
    "chat_transport.testing.replay": "recorded provider events, served again",
    "chat_transport.testing.recordings": "the kit for [providers](../how-to/write-a-provider.md)",
}
"""Modules whose names the pages tell readers to import from there."""
HEAD = """# Public names

Everything that may be imported from where it stands here; each name's docstring says shapes, units and errors. What is not
listed, or begins with `_`, may change without notice. A test compares this page with the code.
"""


def page() -> str:
    """Give the whole page."""
    return HEAD + "".join("\n" + section for section in (*_sections(), _modules()))


def _sections() -> Iterator[str]:
    for name, about in PACKAGES.items():
        package = importlib.import_module(name)
        rows = "".join(_row(package, each) for each in sorted(package.__all__, key=str.lower))
        yield f"## `{name}`\n\n{about}\n\n| name | what it is |\n|---|---|\n{rows}"


def _modules() -> str:
    rows = "".join(
        f"| `{name}` | {about} | {', '.join(f'`{each}`' for each in _named(name))} |\n"
        for name, about in MODULES.items()
    )
    return (
        f"## Further modules\n\n| module | has | names, beside those above |\n|---|---|---|\n{rows}"
    )


def _named(module: str) -> list[str]:
    """Give the module's names that neither the first table nor a page of their own has."""
    if module == "chat_transport.chunks":
        return []
    listed = set(importlib.import_module("chat_transport").__all__)
    names = sorted(importlib.import_module(module).__all__, key=str.lower)
    return [name for name in names if name not in listed]


def _row(package: Any, name: str) -> str:
    value = getattr(package, name)
    source = _source(value)
    shown = f"[`{name}`]({source})" if source else f"`{name}`"
    return f"| {shown} | {_sentence(package, name, value)} |\n"


def _source(value: Any) -> str | None:
    module = sys.modules.get(getattr(value, "__module__", ""))
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_relative_to(ROOT):
        return None
    return f"../../{Path(file).relative_to(ROOT).as_posix()}"


def _sentence(package: Any, name: str, value: Any) -> str:
    if inspect.isclass(value) or inspect.isfunction(value):
        text = inspect.getdoc(value) or ""
    else:
        text = _attribute_doc(package, name)
    text = re.sub(r"\s+", " ", text.split("\n\n")[0]).replace("|", "\\|")
    return re.split(r"(?<=[.])\s", text, maxsplit=1)[0]


def _attribute_doc(package: Any, name: str) -> str:
    """Find the string that stands under an assignment, in the module that makes it."""
    if name == "ABSENT":  # msgspec's own
        return "What a field holds that was not sent; never None."
    home = importlib.import_module(f"{package.__name__}.{package._HOMES[name]}")
    body = ast.parse(inspect.getsource(home)).body
    for node, after in itertools.pairwise(body):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name and isinstance(after, ast.Expr):
            return str(getattr(after.value, "value", ""))
    return ""


if __name__ == "__main__":
    sys.stdout.write(page())
