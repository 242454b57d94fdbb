from __future__ import annotations

import pytest

from chat_transport import errors


def test_everything_raised_on_purpose_has_one_root():
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.ChatTransportError)


@pytest.mark.parametrize(
    ("leaf", "branch"),
    [
        (errors.LocalProtocolError, errors.ProtocolError),
        (errors.RemoteProtocolError, errors.ProtocolError),
        (errors.ConnectFailed, errors.TransportError),
        (errors.StreamInterrupted, errors.TransportError),
        (errors.NotSupported, errors.TransportError),
    ],
)
def test_leaves_hang_where_the_tree_says(leaf: type[Exception], branch: type[Exception]):
    assert issubclass(leaf, branch)


def test_errors_carry_what_a_caller_needs():
    rejected = errors.RequestRejected("no", status=403, body="why", code=40160)
    assert (str(rejected), rejected.status, rejected.body, rejected.code) == (
        "no",
        403,
        "why",
        40160,
    )
    assert errors.StreamInterrupted("cut", resumable=True).resumable
    assert errors.RemoteProtocolError("bad", data={"a": 1}).data == {"a": 1}
