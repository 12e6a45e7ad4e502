"""Examinees behind an OpenAI-compatible endpoint: how they are asked, what that costs, and what came of it."""
