"""What a study found: points, settings, claims, curves, and the report."""
