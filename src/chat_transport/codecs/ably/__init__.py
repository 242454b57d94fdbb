"""Codecs for Ably channels."""
