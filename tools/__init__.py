"""Programs for the maintainers; no part of the package."""
