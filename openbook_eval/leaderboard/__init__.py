"""The leaderboard: runs as one typed table, what can be said of them for sure, and how it is shown."""
