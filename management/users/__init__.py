"""Users: people of a tenant, their roles and passwords."""
