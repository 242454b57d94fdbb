"""The walls of the house: who may import whom, sizes, public names, and a test file for each source file."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "chat_transport"
TESTS = ROOT / "tests"
PACKAGE = "chat_transport"

WORDS = {"errors", "chunks", "messages", "inputs"}
PURE = {"msgspec", "pydantic", "pydantic_core"}
NO_CODEC = {
    "anyio", "asyncio", "trio", "httpx", "httpx2", "ably", "starlette", "uvicorn", "coredis",
    "time", "random", "uuid", "logging", "secrets", "socket", "threading",
}  # fmt: skip
"""What codecs, words and the reducer may never import: I/O, clocks and chance."""

# (where, what of ours it may import, what from outside beside the standard library). The first row
# whose prefix fits counts. `private` stands for the modules at the top whose name begins with `_`.
TABLE: list[tuple[str, set[str], set[str]]] = [
    ("errors", set(), set()),
    ("chunks", {"errors"}, PURE),
    ("messages", {"errors", "chunks"}, PURE),
    ("inputs", {"errors", "chunks", "messages"}, PURE),
    ("_extras", set(), set()),
    ("_jwt", set(), {"jwt"}),
    ("_tasks", set(), {"anyio"}),
    ("_waiters", set(), {"anyio"}),
    ("_taken_back", WORDS, set()),
    ("_chunk_columns", WORDS | {"_taken_back"}, set()),
    ("_chunk_log", WORDS | {"transport", "_chunk_columns", "_waiters"}, {"anyio"}),
    ("_strict_json", set(), PURE),
    ("_web_url", set(), set()),
    ("_metadata", WORDS, PURE),
    ("_partial_json", WORDS | {"_strict_json"}, PURE),
    ("_nested_shapes", WORDS, PURE),
    ("_part_shapes", WORDS | {"_nested_shapes"}, PURE),
    ("reducer", WORDS | {"_partial_json", "_metadata", "reducer"}, PURE),
    ("predicates", WORDS, PURE),
    ("validation", WORDS | {"_part_shapes"}, PURE),
    ("conversion", WORDS | {"_strict_json", "_web_url"}, PURE),
    ("pruning", WORDS, PURE),
    ("_media_types", frozenset(), PURE),
    ("_prompt_words", WORDS, PURE),
    ("file_address", {"errors"}, {"anyio"}),
    ("file_download", WORDS | {"model", "file_address"}, PURE | {"anyio"}),
    ("prompt", WORDS | {"_media_types", "_prompt_words", "conversion"}, PURE),
    ("step", WORDS, PURE),
    ("provider_client", {"errors"}, set()),
    ("provider_http", set(), {"aiohttp"}),
    ("provider_stream", WORDS | {"step", "codecs.sse"}, PURE),
    ("codecs", WORDS | {"codecs", "reducer", "validation", "private"}, PURE),
    ("transport", WORDS, {"anyio"}),
    ("model", WORDS, {"anyio"}),
    ("agent", WORDS | {"reducer", "transport", "model", "agent", "predicates", "validation", "conversion", "private"}, PURE | {"anyio"}),
    ("telemetry", WORDS | {"reducer", "model", "agent", "private", "telemetry"}, {"opentelemetry"}),
    ("chat", WORDS | {"reducer", "transport", "predicates", "validation", "chat", "private"}, PURE | {"anyio"}),
    ("transports.ably", WORDS | {"transport", "codecs", "agent", "reducer", "validation", "predicates", "private", "transports.ably"}, PURE | {"anyio", "ably", "jwt", "starlette"}),
    ("transports.http", WORDS | {"transport", "codecs", "agent", "reducer", "validation", "predicates", "private", "transports.http"}, PURE | {"anyio", "httpx", "httpx2", "starlette", "coredis", "jwt", "websockets", "wsproto", "sniffio", "httpx_ws"}),
    ("transports", WORDS | {"transport", "codecs", "agent", "reducer", "predicates", "private", "transports"}, PURE | {"anyio"}),
    ("broker", {"errors", "broker", "_extras", "_jwt"}, PURE | {"anyio", "jwt", "starlette", "uvicorn", "websockets", "msgpack"}),
    ("testing", {"*"}, PURE | {"anyio"}),
    ("cli", {"*"}, {"*"}),
    ("__init__", {"*"}, set()),
]  # fmt: skip

ONLY_FOR_THEMSELVES = {"cli", "testing", "broker"}
"""Nobody imports these but `cli` (and tests)."""

MAX_FILE, MAX_TABLE_FILE, MAX_TEST_FILE, MAX_BODY = 400, 600, 800, 60
TABLES_OF_MODELS = {"chunks.py", "messages.py"}
"""Files that may have 600 lines: tables of models."""

WITHOUT_OWN_TEST = {
    "__init__.py": "re-exports",
    "telemetry/names.py": "names; telemetry/test_telemetry.py compares them with what is exported",
    "inputs.py": "plain records without behaviour",
    "transport.py": "an interface; tests/contract proves each implementation",
    "model.py": "an interface; each adapter has its tests",
    "agent/run.py": "plain records without behaviour",
    "chat/_words.py": "plain records without behaviour",
    "cli/_failure.py": "an exception and two numbers",
    "codecs/ably/operations.py": "plain records without behaviour",
    "transports/ably/again.py": "interfaces; transports/ably/test_left_runs.py proves them",
    "transports/ably/wire.py": "interfaces and plain records; transports/ably/ai_transport has the tests",
    "transports/ably/wire_abilities.py": "interfaces; whoever has one has the tests",
}
"""Source files that need no test file of their name, each with the reason."""

PROVEN_BY = {
    "chat/_*.py": ("chat/test_chat.py", "pieces of one Chat, proven through it"),
    "telemetry/_*.py": (
        "telemetry/test_telemetry.py",
        "pieces of one Telemetry, proven through it",
    ),
    "cli/_*.py": ("cli/test_main.py", "pieces of one command, proven through it"),
    "testing/_*_requirements.py": ("contract/test_direct.py", "the kit is proven by running it"),
    "testing/_chat_store_requirements.py": (
        "contract/test_stores.py",
        "the kit is proven by running it",
    ),
    "testing/_run_log_requirements.py": (
        "contract/test_stores.py",
        "the kit is proven by running it",
    ),
    "testing/_registry.py": ("contract/test_direct.py", "the kit is proven by running it"),
    "testing/requirements.py": ("contract/test_direct.py", "the kit is proven by running it"),
    "testing/harness.py": ("contract/test_direct.py", "the kit is proven by running it"),
    "testing/puppet.py": ("contract/test_direct.py", "the kit is proven by running it"),
    "testing/requests.py": ("contract/test_direct.py", "the kit is proven by running it"),
    "testing/_every_group.py": ("testing/test_vectors.py", "one table, run whole there"),
    "transports/http/redis_scripts.py": (
        "transports/http/test_redis_port.py",
        "scripts are proven by who runs them in Redis",
    ),
    "transports/direct.py": ("contract/test_direct.py", "every requirement runs over it"),
}
"""Source files proven by the test file of a whole that they are a piece of, each with the reason."""

PROVIDERS = ("openai", "anthropic", "gemini", "mistral", "cohere", "ollama", "bedrock", "litellm")
MAY_NAME_A_PROVIDER = {
    "cli": "its help shows how a model is named",
    "model.py": "its docstrings give examples",
    "testing": "the fixtures' checker knows which folder holds which provider's recordings",
}


def _files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _module(path: Path) -> str:
    parts = list(path.relative_to(SOURCE).with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """Give absolute module names; ours begin with the package name."""
    package = [PACKAGE, *path.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield node.module or "", node.lineno
                continue
            base = package[: len(package) - node.level + 1]
            if node.module:
                yield ".".join([*base, node.module]), node.lineno
            else:
                for alias in node.names:
                    yield ".".join([*base, alias.name]), node.lineno


def _row(module: str) -> tuple[set[str], set[str]]:
    for prefix, ours, outside in TABLE:
        if module == prefix or module.startswith(f"{prefix}."):
            return ours, outside
    raise AssertionError(f"{module} has no row in the import table: add one, with the reason")


def _allowed(target: str, ours: set[str]) -> bool:
    if "*" in ours or not target:
        return True
    if "private" in ours and target.split(".", maxsplit=1)[0].startswith("_"):
        return True
    return any(target == name or target.startswith(f"{name}.") for name in ours)


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_imports_keep_to_the_table(path: Path) -> None:
    module = _module(path)
    ours, outside = _row(module)
    for name, line in _imports(path):
        top = name.split(".")[0]
        if top == PACKAGE:
            target = name.removeprefix(PACKAGE).lstrip(".")
            assert _allowed(target, ours), f"{path}:{line}: {module} may not import {target}"
        elif top not in sys.stdlib_module_names:
            assert "*" in outside or top in outside, f"{path}:{line}: {module} may not import {top}"


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_pure_modules_know_no_io_no_clock_and_no_chance(path: Path) -> None:
    top = _module(path).split(".")[0]
    if top in WORDS | {
        "codecs",
        "reducer",
        "predicates",
        "validation",
        "conversion",
        "pruning",
    } or (top.startswith("_") and top not in {"_tasks", "_waiters", "_chunk_log", "__init__"}):
        found = {name.split(".")[0] for name, _ in _imports(path)} & NO_CODEC
        assert not found, f"{path} imports {sorted(found)}"
        awaits = [
            n.lineno
            for n in ast.walk(_tree(path))
            if isinstance(n, ast.Await | ast.AsyncFunctionDef)
        ]
        assert not awaits, f"{path}:{awaits[0]}: await has no place in a pure module"


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_nobody_imports_what_is_for_developers(path: Path) -> None:
    top = _module(path).split(".")[0]
    for name, line in _imports(path):
        parts = name.split(".")
        if parts[0] == PACKAGE and len(parts) > 1 and parts[1] in ONLY_FOR_THEMSELVES:
            assert top in {parts[1], "cli"}, f"{path}:{line}: imports {name}"


def test_one_file_imports_ably() -> None:
    users = {
        _name(path)
        for path in _files()
        if any(n.split(".")[0] == "ably" for n, _ in _imports(path))
    }
    assert users <= {"transports/ably/connection.py"}


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_the_core_knows_no_provider(path: Path) -> None:
    name = _name(path)
    if name.split("/")[0] in MAY_NAME_A_PROVIDER:
        return
    code = [
        node.value.lower() if isinstance(node, ast.Constant) else node.id.lower()
        for node in _code_nodes(_tree(path))
        if (isinstance(node, ast.Constant) and isinstance(node.value, str))
        or isinstance(node, ast.Name)
    ]
    for provider in PROVIDERS:
        assert not any(provider in text for text in code), f"{path} names {provider}"


def _code_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Walk the tree without docstrings and attribute docs."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return (node for node in ast.walk(tree) if id(node) not in docs)


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_public_modules_declare_their_names(path: Path) -> None:
    module = _tree(path)
    names = [
        node for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and any(isinstance(t, ast.Name) and t.id == "__all__" for t in getattr(node, "targets", [getattr(node, "target", None)]))
    ]  # fmt: skip
    is_empty_package = path.name in {"__init__.py", "__main__.py"} and len(module.body) <= 6
    assert names or is_empty_package, f"{path} has no __all__"
    for node in names:
        if isinstance(node.value, ast.List):
            listed = [e.value for e in node.value.elts if isinstance(e, ast.Constant)]
            defined = _defined(module)
            assert set(listed) <= defined, f"{path}: {sorted(set(listed) - defined)} not defined"
            assert len(set(listed)) == len(listed), f"{path}: a name twice in __all__"


def _defined(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_files_and_bodies_stay_small(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    limit = MAX_TABLE_FILE if _name(path) in TABLES_OF_MODELS else MAX_FILE
    assert lines <= limit, f"{path} has {lines} lines: split it by idea"
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = _body_lines(node)
            assert body <= MAX_BODY, f"{path}:{node.lineno}: {node.name} has {body} lines"


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(node.body) > 1:
        first = node.body[1]  # the docstring is the contract, not the body
    return (node.end_lineno or first.lineno) - first.lineno + 1


def test_test_files_stay_readable() -> None:
    for path in TESTS.rglob("*.py"):
        lines = len(path.read_text("utf-8").splitlines())
        assert lines <= MAX_TEST_FILE, f"{path} has {lines} lines"


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_each_source_file_has_the_test_file_of_its_name(path: Path) -> None:
    name = _name(path)
    if name in WITHOUT_OWN_TEST or path.name in {"__init__.py", "__main__.py"}:
        return
    folder = TESTS / path.relative_to(SOURCE).parent
    names = {f"test_{path.stem.lstrip('_')}.py", f"test_{path.stem}.py"}
    proofs = [TESTS / test for glob, (test, _) in PROVEN_BY.items() if fnmatch(name, glob)]
    candidates = [folder / own for own in names] + proofs
    assert any(test.is_file() for test in candidates), f"{name} has no test file of its name"


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_a_file_says_what_it_is(path: Path) -> None:
    doc = ast.get_docstring(_tree(path))
    assert doc, f"{path} has no docstring"


def test_names_avoid_words_that_say_nothing() -> None:
    for path in _files():
        words = set(path.stem.strip("_").split("_"))
        assert not words & {
            "utils",
            "util",
            "helper",
            "helpers",
            "manager",
            "base",
            "common",
            "misc",
        }, path
