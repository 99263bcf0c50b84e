"""Time sheets: what a user hands in of a period."""
