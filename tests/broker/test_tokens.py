from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from chat_transport.broker.capability import Capability
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.signing import sign_jwt
from chat_transport.broker.tokens import (
    ApiKey,
    TokenRequest,
    check_signature,
    grant_token,
    identity_of_key,
    identity_of_token,
    same_secret,
)

KEY = ApiKey.parse("app.key:secret")
NOW = 1_800_000_000_000


def refused(code, act):
    with pytest.raises(Refusal) as caught:
        act()
    assert caught.value.code == code


def signed(**changes):
    fields = {
        "key_name": "app.key",
        "ttl": 60_000,
        "capability": '{"*":["*"]}',
        "client_id": None,
        "timestamp": NOW,
        "nonce": "0123456789abcdef",
    } | changes
    text = "".join(f"{'' if value is None else value}\n" for value in fields.values())
    digest = hmac.new(b"secret", text.encode(), hashlib.sha256).digest()
    return TokenRequest(**fields, mac=base64.b64encode(digest).decode())


def token(**claims):
    claims = {"iat": NOW / 1000, "exp": NOW / 1000 + 60, **claims}
    return sign_jwt(claims, key_name="app.key", secret="secret")


def test_a_key_has_three_parts():
    assert (KEY.app_id, KEY.name, KEY.secret, KEY.text) == (
        "app",
        "app.key",
        "secret",
        "app.key:secret",
    )
    assert same_secret(KEY, "secret")
    assert not same_secret(KEY, "Secret")
    for text in ("", "app", "app.key", "app:secret", ".key:s"):
        with pytest.raises(ValueError, match=r"app\.key:secret"):
            ApiKey.parse(text)


def test_a_signed_request_is_verified():
    check_signature(signed(), KEY, NOW)
    check_signature(signed(ttl=None, client_id="c"), KEY, NOW)
    request = signed()
    request.client_id = "other"
    refused(40101, lambda: check_signature(request, KEY, NOW))
    request.mac = "*"
    refused(40101, lambda: check_signature(request, KEY, NOW))
    refused(40104, lambda: check_signature(signed(), KEY, NOW + 180_000))
    refused(40105, lambda: check_signature(signed(nonce="short"), KEY, NOW))


def test_a_granted_token_gives_the_identity_asked_for():
    details = grant_token(TokenRequest(client_id="c", capability={"a": ["publish"]}), KEY, NOW)
    assert (details.issued, details.expires) == (NOW, NOW + 3_600_000)
    assert details.capability == '{"a":["publish"]}'
    identity = identity_of_token(details.token, KEY, None, NOW)
    assert (identity.client_id, identity.is_token, identity.expires_ms) == (
        "c",
        True,
        NOW + 3_600_000,
    )
    assert identity.capability.text == '{"a":["publish"]}'


def test_grants_are_bounded():
    refused(40003, lambda: grant_token(TokenRequest(ttl=0), KEY, NOW))
    refused(40003, lambda: grant_token(TokenRequest(ttl=25 * 3_600_000), KEY, NOW))
    refused(40003, lambda: grant_token(TokenRequest(ttl="soon"), KEY, NOW))
    refused(40012, lambda: grant_token(TokenRequest(client_id=""), KEY, NOW))
    narrow = ApiKey("app.key", "secret", Capability.parse('{"a":["publish"]}'))
    refused(40160, lambda: grant_token(TokenRequest(capability='{"b":["*"]}'), narrow, NOW))


def test_an_expired_token_says_so():
    refused(40142, lambda: identity_of_token(token(exp=NOW / 1000 - 1), KEY, None, NOW))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": "soon"},
        {"exp": True},
        {"iat": None},
        {"x-ably-capability": {}},
        {"x-ably-clientId": 1},
    ],
)
def test_malformed_claims_are_refused(claims):
    refused(40144, lambda: identity_of_token(token(**claims), KEY, None, NOW))


def test_claims_about_channels_are_kept():
    identity = identity_of_token(token(**{"ably.channel.*": "admin", "other": 1}), KEY, None, NOW)
    assert identity.claims == {"ably.channel.*": "admin"}


def test_a_key_may_be_anyone():
    assert identity_of_key(KEY, None).client_id == "*"
    assert identity_of_key(KEY, "c").client_id == "c"
