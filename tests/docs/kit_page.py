"""What the kit found, in the docs: `python tests/docs/kit_page.py` runs it and writes it anew.

It writes `docs/reference/requirements.md`, and the table of features in
`docs/concepts/which-wire-when.md` between its two marks. The kit's results come from tests/contract,
which compare theirs with the page when they run by themselves.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, get_args

from chat_transport import Agent, ChatTransport, DirectChatTransport, DirectHost, Run
from chat_transport.chunks import CHUNK_TYPES, UIMessageChunk
from chat_transport.testing.requirements import Requirement, requirements
from chat_transport.transport import Ask
from chat_transport.transports.ably import AblyChatTransport, AblyConnection
from chat_transport.transports.ably.wires import WIRE_NAMES
from chat_transport.transports.http import HttpChatTransport, WebSocketChatTransport

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "docs/reference/requirements.md"
FEATURES = ROOT / "docs/concepts/which-wire-when.md"
MARKS = ("<!-- features: written by tests/docs/kit_page.py -->", "<!-- features: end -->")
RESULTS = "CHAT_TRANSPORT_KIT_RESULTS"
"""Environment variable: the file that tests/contract writes its results to."""
Results: TypeAlias = Mapping[str, Mapping[str, str]]
"""Transport -> requirement -> `kept` or `not promised`."""

HEAD = """# What every transport promises

Each row is a requirement of the conformance kit (`chat_transport.testing.requirements`): its id, the promise, and the capabilities
without which it is not promised. The kit checks it over every transport here, and over yours:
[write a transport](../how-to/write-a-transport.md). `python tests/docs/kit_page.py` runs the kit and writes this page; tests
compare it with the kit and with its results.
"""
KEPT = """
## What the kit found

`kept`: checked and held. `–`: not promised, because of the transport's own capabilities. Nothing is excused.
"""
CAPABILITIES = {
    "resumes": "a reply goes on when its reader leaves, and can be resumed",
    "stops": "stop",
    "history": "history",
    "observes": "what others ask and are told, live",
    "presence": "the agent's presence",
    "concurrent_runs": "several replies at once",
    "steers": "say something to a reply under way",
    "branches": "edits and regenerations keep what they replace",
}
ASKS: Mapping[Ask, str] = {
    "regenerate": "regenerate",
    "edit": "edit a prompt",
    "prompt-parts": "files and data in a prompt",
    "tool-output": "tools that the client runs",
    "approval": "approvals",
}
CHUNKS = {
    "text": ("text-delta",),
    "steps and bounds of text": ("start-step", "finish-step", "text-start", "text-end"),
    "reasoning": ("reasoning-start", "reasoning-delta", "reasoning-end"),
    "tool calls and outputs": tuple(name for name in CHUNK_TYPES if name.startswith("tool-")),
    "sources and files": ("source-url", "source-document", "file", "reasoning-file"),
    "data": ("data-*", "custom"),
    "message metadata": ("message-metadata",),
}


def transports() -> Mapping[str, ChatTransport]:
    """Give one of each, not entered: they are only asked what they can do."""
    connection = AblyConnection(key="app.key:secret", client_id="reader")
    return {
        "direct": DirectChatTransport(DirectHost(Agent(_say_nothing))),
        "HTTP": HttpChatTransport(),
        "WebSocket": WebSocketChatTransport("ws://127.0.0.1"),
        **{f"`{wire}`": AblyChatTransport(connection, wire=wire) for wire in WIRE_NAMES},
    }


async def _say_nothing(_: Run) -> AsyncIterator[UIMessageChunk]:
    return
    yield


# ── pages ────────────────────────────────────────────────────────────────────────────────────────


def requirements_page(results: Results) -> str:
    """Give the page of requirements and their results."""
    promises = "".join(f"| `{r.id}` | {r.says} | {_where(r)} |\n" for r in requirements())
    kept = "".join(
        f"| `{r.id}` | {' | '.join(_outcome(results[name][r.id]) for name in results)} |\n"
        for r in requirements()
    )
    return (
        f"{HEAD}\n| id | promise | where |\n|---|---|---|\n{promises}"
        f"{KEPT}\n{_header(['id', *results])}{kept}"
    )


def features(results: Results) -> str:
    """Give the table of features: what the capabilities say, and the kit's results bear out."""
    return _header(["", *results, "proofs"]) + "".join(_feature_rows(results))


def read_results(page: str) -> Results:
    """Read the results from the page of requirements."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.partition(KEPT)[2].splitlines()
        if line.startswith("|")
    ]
    names, found = rows[0][1:], rows[2:]
    return {
        name: {
            row[0].strip("`"): "kept" if row[place] == "kept" else "not promised" for row in found
        }
        for place, name in enumerate(names, 1)
    }


def _feature_rows(results: Results) -> Iterator[str]:
    can = {name: transport.capabilities for name, transport in transports().items()}
    for name, title in CAPABILITIES.items():
        proofs = [r for r in requirements() if name in r.needs]
        yield _row(title, {each: getattr(can[each], name) for each in can}, proofs, results)
    for ask, title in ASKS.items():
        proofs = [r for r in requirements() if ask in r.asks]
        yield _row(title, {each: ask not in can[each].refuses for each in can}, proofs, results)
    for title, kinds in CHUNKS.items():
        proofs = [r for r in requirements() if r.id == "stream-carries-every-part"]
        cells: dict[str, bool | str] = {}
        for each, capabilities in can.items():
            lost = [kind for kind in kinds if kind in capabilities.drops]
            some = "all but " + ", ".join(f"`{kind}`" for kind in lost)
            left = "only " + ", ".join(f"`{kind}`" for kind in kinds if kind not in lost)
            part = some if len(lost) < len(kinds) / 2 else left
            cells[each] = part if lost and len(lost) < len(kinds) else not lost
        yield _row(title, cells, proofs, results)
    total = len(requirements())
    kept = [sum(each == "kept" for each in results[name].values()) for name in can]
    yield f"| **requirements promised and kept, of {total}** | {' | '.join(map(str, kept))} | |\n"


def _row(
    title: str, cells: Mapping[str, bool | str], proofs: Sequence[Requirement], results: Results
) -> str:
    """Give a row, having made sure that what is claimed was kept."""
    for name, cell in cells.items():
        broken = [r.id for r in proofs if cell and not _is_borne_out(name, r, results)]
        if broken:
            raise SystemExit(f"{name} claims {title!r}, but the kit found otherwise: {broken}")
    said = ["yes" if cell is True else "no" if cell is False else cell for cell in cells.values()]
    return f"| {title} | {' | '.join(said)} | {len(proofs) or '–'} |\n"


def _is_borne_out(name: str, requirement: Requirement, results: Results) -> bool:
    """Whether a requirement was kept, or hinges on something else that is not promised."""
    is_promised = not requirement.lacking(transports()[name].capabilities)
    return (results[name][requirement.id] == "kept") == is_promised


def _where(requirement: Requirement) -> str:
    conditions = [
        *(f"`{name}`" for name in requirement.needs),
        *(f"not `{name}`" for name in requirement.needs_not),
        *(f"carries `{name}`" for name in requirement.carries),
        *(f"takes `{name}`" for name in requirement.asks),
        *(f"refuses `{name}`" for name in requirement.refused),
    ]
    return ", ".join(conditions) or "always"


def _outcome(outcome: str) -> str:
    return "kept" if outcome == "kept" else "–"


def _header(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}\n".replace("|  |", "| |")


# ── running the kit ──────────────────────────────────────────────────────────────────────────────


def run_kit() -> Results:
    """Run tests/contract and collect what came of each requirement.

    Raises:
        SystemExit: If a requirement fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.jsonl"
        command = [sys.executable, "-m", "pytest", "tests/contract", "-q", "-k", "test_keeps"]
        done = subprocess.run(
            command, check=False, cwd=ROOT, env={**os.environ, RESULTS: str(file)}
        )
        if done.returncode != 0:
            raise SystemExit("the kit failed: nothing is written")
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    results: dict[str, dict[str, str]] = {name: {} for name in transports()}
    for name, requirement_id, outcome in lines:
        if results[name].setdefault(requirement_id, outcome) != outcome:
            raise SystemExit(f"{name} {requirement_id}: not the same on every event loop")
    return results


def with_features(page: str, table: str) -> str:
    """Give the page with the table between its marks."""
    begin, end = MARKS
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return found.sub(lambda _: f"{begin}\n{table}{end}", page)


if __name__ == "__main__":
    assert set(ASKS) == set(get_args(Ask))
    outcomes = run_kit()
    REQUIREMENTS.write_text(requirements_page(outcomes), "utf-8")
    FEATURES.write_text(with_features(FEATURES.read_text("utf-8"), features(outcomes)), "utf-8")
