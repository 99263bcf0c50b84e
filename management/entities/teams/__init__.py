"""Teams: whom tickets are assigned to, beside people."""
