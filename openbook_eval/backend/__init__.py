"""The scoring backend: every token that prompts share is read once, and an answer once given is kept."""
