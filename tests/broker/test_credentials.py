from __future__ import annotations

import base64

import pytest

from chat_transport.broker.refusal import Refusal
from chat_transport.broker.signing import sign_jwt


def test_tokens_of_unknown_apps_and_keys(world):
    def codes(key_name):
        jwt = sign_jwt({"iat": 1, "exp": 2**33}, key_name=key_name, secret="secret")
        with pytest.raises(Refusal) as caught:
            world.broker.credentials.identify({"accessToken": jwt}, None, None)
        return caught.value.code, world.open(accessToken=jwt).frames()[0]["error"]["code"]

    assert codes("none.key") == (40400, 40101), "REST says what is missing, a socket is refused"
    assert codes("app.none") == (40144, 40144)


def test_a_key_may_come_in_a_header(world):
    basic = "Basic " + base64.b64encode(b"app.key:secret").decode()
    assert world.broker.credentials.identify({}, basic, None).client_id == "*"
    jwt = sign_jwt({"iat": 1, "exp": 2**33}, key_name="app.key", secret="secret")
    for value in (jwt, base64.b64encode(jwt.encode()).decode()):
        assert world.broker.credentials.identify({}, f"Bearer {value}", None).is_token
    for bad in ("Basic *", "Basic", "Digest x", ""):
        with pytest.raises(Refusal):
            world.broker.credentials.identify({}, bad, None)
