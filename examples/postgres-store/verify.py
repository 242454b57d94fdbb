"""Runs the kit's requirements of a chat store over PostgreSQL: `python verify.py postgresql://…`."""

from __future__ import annotations

import asyncio
import sys

from postgres_store import PostgresChatStore

from chat_transport.testing.stores import chat_store_requirements, run_store_requirement


async def main(url: str) -> None:
    """Open the store as often as each requirement asks, and print what it keeps."""
    for requirement in chat_store_requirements():
        await run_store_requirement(requirement, lambda: PostgresChatStore(url, connections=4))
        print(f"ok  {requirement.says}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:  # the program and one URL
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
