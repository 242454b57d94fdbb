"""HTTP and SSE: client, ASGI application, run log and chat store."""
