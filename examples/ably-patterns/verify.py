"""Run the programs, or with `mixed` their Node halves too; exit 0 if each keeps its promise."""

from __future__ import annotations

import asyncio
import sys

import ai_sdk_transport
import database_hydration
import human_in_the_loop
import message_per_response
import message_per_token
import mixed


async def main() -> None:
    if "mixed" in sys.argv[1:]:
        await mixed.main()
        return
    for pattern in (
        human_in_the_loop,
        message_per_response,
        message_per_token,
        ai_sdk_transport,
        database_hydration,
    ):
        async with asyncio.timeout(60):
            await pattern.main()


if __name__ == "__main__":
    asyncio.run(main())
