"""The leaderboard as a page that works from disk: pieces of data, plots, and what shows them."""
