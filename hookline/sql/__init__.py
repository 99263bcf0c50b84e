"""`hookline sql`, `hookline export` and `hookline analytics`: the delivery log for people who know SQL."""
