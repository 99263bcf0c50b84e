"""The delivery log at a size: how fast it is filled, read, searched and exported.

`python -m bench.log [--rows N] [--exported N] [--folder FOLDER]`; prints JSON.
"""
