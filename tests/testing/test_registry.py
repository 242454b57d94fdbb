"""Requirements enter the list once, by id."""

from __future__ import annotations

import pytest

from chat_transport.testing import requirements  # noqa: F401  # fills the list
from chat_transport.testing._registry import REGISTRY, requires
from chat_transport.testing.harness import Scene


def test_an_id_is_taken_once() -> None:
    with pytest.raises(AssertionError, match="stop-aborts"):

        @requires("stop-aborts", "Again.")
        async def _again(scene: Scene) -> None:
            pass


def test_a_check_is_entered_as_it_was_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(REGISTRY, "new", raising=False)

    @requires("new", "It is new.", needs=("stops",), needs_not=("history",))
    async def check(scene: Scene) -> None:
        pass

    entered = REGISTRY.pop("new")
    assert (entered.check, entered.says) == (check, "It is new.")
    assert (entered.needs, entered.needs_not) == (("stops",), ("history",))
