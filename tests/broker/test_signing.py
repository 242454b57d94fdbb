from __future__ import annotations

import base64

import jwt
import pytest

from chat_transport.broker.refusal import Refusal
from chat_transport.broker.signing import jwt_claims, jwt_key_name, sign_jwt

SECRET = "a-secret-of-at-least-thirty-two-bytes"


def test_another_library_reads_our_tokens_and_we_read_its():
    ours = sign_jwt({"iat": 1, "exp": 2**33}, key_name="a.k", secret=SECRET)
    assert jwt.decode(ours, SECRET, algorithms=["HS256"]) == {"iat": 1, "exp": 2**33}
    theirs = jwt.encode({"sub": "x"}, SECRET, algorithm="HS256", headers={"kid": "a.k"})
    assert jwt_key_name(theirs) == "a.k"
    assert jwt_claims(theirs, SECRET) == {"sub": "x"}


def test_a_wrong_secret_is_noticed():
    token = sign_jwt({}, key_name="a.k", secret=SECRET)
    with pytest.raises(Refusal, match="signature") as caught:
        jwt_claims(token, SECRET + "x")
    assert (caught.value.code, caught.value.status) == (40144, 401)


def test_an_unsigned_token_is_refused():
    token = jwt.encode({}, None, algorithm="none", headers={"kid": "a.k"})
    with pytest.raises(Refusal):
        jwt_claims(token, SECRET)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_named(algorithm):
    token = jwt.encode({}, SECRET * 2, algorithm=algorithm, headers={"kid": "a.k"})
    with pytest.raises(Refusal, match=algorithm):
        jwt_claims(token, SECRET * 2)


@pytest.mark.parametrize("payload", [b"[]", b"1", b"no json", b"[" * 100_000, b"\xff"])
def test_claims_that_are_no_object_are_refused(payload):
    token = jwt.PyJWS().encode(payload, SECRET, algorithm="HS256", headers={"kid": "a.k"})
    with pytest.raises(Refusal) as caught:
        jwt_claims(token, SECRET)
    assert caught.value.code == 40144


@pytest.mark.parametrize("header", ["[]", '{"kid":"a.k"}', '{"alg":1,"kid":"a.k"}', "[" * 100_000])
def test_a_header_that_is_none_is_refused(header):
    text = base64.urlsafe_b64encode(header.encode()).decode().rstrip("=")
    with pytest.raises(Refusal) as caught:
        jwt_claims(f"{text}.e30.e30", SECRET)
    assert caught.value.code == 40144


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", 40101),
        ("a.b", 40101),
        ("....", 40101),
        ("a.b.c", 40144),
        ("e30.e30.x", 40144),
        ("ü.ü.ü", 40144),
    ],
)
def test_what_is_no_jwt_is_refused(token, code):
    with pytest.raises(Refusal) as caught:
        jwt_key_name(token)
    assert caught.value.code == code
