"""Ticket categories: what tickets are about, with subcategories below them."""
