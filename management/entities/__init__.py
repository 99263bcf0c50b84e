"""The PSA store as the API shows it: one folder per kind of entity, over one repository, service and set of routes."""
