"""The leaderboard's page, built from runs and opened in a browser."""
