"""Roles: sets of permissions that users have, and which permissions there are."""
