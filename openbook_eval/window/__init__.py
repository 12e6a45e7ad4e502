"""Whether prompts fit a model's context window: checked before a run, found out after it; nothing is cut in silence."""
