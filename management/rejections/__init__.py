"""Rejections: requests that were not accepted, and why."""
