"""The wire of `@ably/ai-transport` 0.8."""
