from __future__ import annotations

import warnings

import jwt
import pytest

from chat_transport._jwt import sign_hs256, verified_hs256


def test_a_short_secret_signs_and_verifies_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        token = sign_hs256({"iat": 1}, key_name="app.key", secret="secret")
        assert verified_hs256(token, "secret") == b'{"iat":1}'
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "app.key"}


def test_another_secret_or_algorithm_is_refused():
    token = sign_hs256({}, key_name="app.key", secret="secret")
    with pytest.raises(jwt.InvalidSignatureError):
        verified_hs256(token, "other")
    with pytest.raises(jwt.InvalidAlgorithmError):
        verified_hs256(jwt.encode({}, None, algorithm="none"), "secret")


def test_the_warning_of_the_library_stays_on_for_everybody_else():
    with pytest.warns(UserWarning, match="below"):
        jwt.encode({}, "secret", algorithm="HS256")
