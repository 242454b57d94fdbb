"""Ably: connection, client's end, agent's end and tokens. asyncio only, as ably-python is."""
