"""Tenants: what the caller's own tenant is called and entitled to."""
