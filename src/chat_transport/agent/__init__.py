"""The agent's end: runs, handlers, tools, approvals and trust."""
