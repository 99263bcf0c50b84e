"""Boards: where tickets are worked on, each with statuses of its own."""
