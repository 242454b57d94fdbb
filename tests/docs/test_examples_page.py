"""Every example has a README, a proof that tests run, and a line on the page of examples."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if (path / "README.md").is_file())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_listed_and_proven(example: Path) -> None:
    link = f"../../examples/{example.name}/README.md"
    assert link in (ROOT / "docs/how-to/examples.md").read_text()
    proof = ROOT / "tests/examples" / f"test_{example.name.replace('-', '_')}.py"
    assert proof.is_file()
    assert (example / "verify.py").is_file() or list((example / "tests").glob("test_*.py"))
