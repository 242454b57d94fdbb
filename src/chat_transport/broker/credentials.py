"""Credentials: from a key or a token in a request to the identity behind it. Pure.

Source: Ably REST API reference, authentication; features spec RSA; codes of the error pages.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from chat_transport.broker.app import App
from chat_transport.broker.identity import Identity
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.serials import Clock
from chat_transport.broker.signing import jwt_key_name
from chat_transport.broker.tokens import identity_of_key, identity_of_token, same_secret

__all__ = ["Credentials"]


class Credentials:
    """What the keys of all apps let in."""

    def __init__(self, apps: Mapping[str, App], now_ms: Clock) -> None:
        self._apps = apps
        self._now_ms = now_ms

    def identify(
        self, query: Mapping[str, str], authorization: str | None, asked: str | None
    ) -> Identity:
        """Give the identity behind the credentials of a request.

        Raises:
            Refusal: If there are none or they are not good (401xx, 40400).
        """
        scheme, _, value = (authorization or "").strip().partition(" ")
        if scheme.lower() == "basic":
            try:
                value = base64.b64decode(value, validate=True).decode()
            except (binascii.Error, ValueError) as error:
                raise Refusal(40101, 401, "Not authorized: Basic is not base64") from error
            return self._identify_key(value, asked)
        if scheme.lower() == "bearer":
            return self.identify_token(_maybe_base64(value), asked)
        token = query.get("accessToken") or query.get("access_token")
        if token:
            return self.identify_token(token, asked)
        if query.get("key"):
            return self._identify_key(query["key"], asked)
        raise Refusal(40101, 401, "Not authorized: no authentication information provided")

    def _identify_key(self, text: str, asked: str | None) -> Identity:
        name, _, secret = text.partition(":")
        app = self._apps.get(name.partition(".")[0])
        if app is None:
            raise Refusal(40101, 401, f"Not authorized: no application of key {name!r}")
        key = app.keys.get(name)
        if key is None:
            raise Refusal(40400, 401, f"No key found with name {name!r}")
        if not same_secret(key, secret):
            raise Refusal(40101, 401, f"Not authorized: invalid secret for key {name!r}")
        return identity_of_key(key, asked)

    def identify_token(self, token: str, asked: str | None) -> Identity:
        """Give the identity of a token.

        Raises:
            Refusal: If it is not good (40140 to 40149, 40102, 40160, 40400).
        """
        name = jwt_key_name(token)
        key = self.app_of_key(name).keys.get(name)
        if key is None:
            raise Refusal(40144, 401, f"invalid JWT: no key {name!r}")
        return identity_of_token(token, key, asked, self._now_ms())

    def app_of_key(self, key_name: str) -> App:
        """Give the app that a key name belongs to.

        Raises:
            Refusal: If there is no such app (40400).
        """
        app = self._apps.get(key_name.partition(".")[0])
        if app is None:
            raise Refusal(
                40400, 404, f"No application found with id {key_name.partition('.')[0]!r}"
            )
        return app


def _maybe_base64(value: str) -> str:
    """Give the token; SDKs send it in base64, people as it is (a JWT has two dots)."""
    if value.count(".") == 2:
        return value
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return value
