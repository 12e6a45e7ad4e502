"""The open-book exam: questions, books, prompts, choices, verdicts, and their way into lm-evaluation-harness."""

__version__ = "0.1.0"
