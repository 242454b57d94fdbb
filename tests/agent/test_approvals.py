"""A signature holds for one call in one chat, and for nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_transport.agent.approvals import ApprovalSigner

CALL = {
    "chat_id": "chat",
    "approval_id": "a",
    "tool_call_id": "c",
    "tool_name": "send_email",
    "tool_input": {"to": "x", "copies": [1, 2.5, None]},
}
SIGNER = ApprovalSigner(b"0123456789abcdef")


def test_a_signature_is_believed_for_its_call_also_by_another_process() -> None:
    signature = SIGNER.sign(**CALL)  # type: ignore[arg-type]
    assert ApprovalSigner(b"0123456789abcdef").verify(signature, **CALL)  # type: ignore[arg-type]


@pytest.mark.parametrize("changed", sorted(CALL))
def test_any_change_voids_it(changed: str) -> None:
    signature = SIGNER.sign(**CALL)  # type: ignore[arg-type]
    assert not SIGNER.verify(signature, **{**CALL, changed: "other"})  # type: ignore[arg-type]


@pytest.mark.parametrize("forged", [None, "", "x", "ü" * 43, "A" * 43])
def test_what_we_did_not_sign_is_not_believed(forged: str | None) -> None:
    assert not SIGNER.verify(forged, **CALL)  # type: ignore[arg-type]


def test_a_former_secret_is_still_believed_and_an_unknown_one_is_not() -> None:
    old = ApprovalSigner(b"fedcba9876543210")
    signature = old.sign(**CALL)  # type: ignore[arg-type]
    assert not SIGNER.verify(signature, **CALL)  # type: ignore[arg-type]
    renewed = ApprovalSigner(b"0123456789abcdef", former=(b"fedcba9876543210",))
    assert renewed.verify(signature, **CALL)  # type: ignore[arg-type]
    assert not old.verify(renewed.sign(**CALL), **CALL)  # type: ignore[arg-type]


def test_a_short_secret_is_refused_and_no_secret_is_shown() -> None:
    with pytest.raises(ValueError, match="16 bytes or more; got 5"):
        ApprovalSigner(b"short")
    assert "0123" not in repr(SIGNER)


def test_numbers_survive_a_browser() -> None:
    signature = SIGNER.sign(**{**CALL, "tool_input": {"n": 1.0, "m": [2.0]}})  # type: ignore[arg-type]
    assert SIGNER.verify(signature, **{**CALL, "tool_input": {"m": [2], "n": 1}})  # type: ignore[arg-type]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_any_input_comes_back_from_json_with_its_signature(value: object) -> None:
    signature = SIGNER.sign(**{**CALL, "tool_input": value})  # type: ignore[arg-type]
    back = json.loads(json.dumps(value))
    assert SIGNER.verify(signature, **{**CALL, "tool_input": back})  # type: ignore[arg-type]
