"""What counting a request against its webhook's limit costs: microseconds per `take`, without a store and with leases.

Run with `python -m bench.limits [--seconds S]`; it prints JSON. No store is asked: a request never does.
"""

import argparse
import json
from itertools import count

from bench.verification import Measured, microseconds
from ingress.core.leases import LeasedBucket, Need, Shares, StoreLink
from ingress.core.limits import Bucket, TokenBucket

LIMIT_PER_MINUTE = 60_000
#: Between two requests; the bucket stays full, so that every `take` succeeds.
_APART_US = 1_000


def taking(bucket: Bucket) -> Measured:
    """One request after the other."""
    times = count(0, _APART_US)
    return lambda: bucket.take(next(times))


def leased_bucket(tokens: int) -> LeasedBucket:
    """A bucket that holds more than will be taken."""
    link = StoreLink(lambda _: None)
    link.away = False
    bucket = LeasedBucket("bench", LIMIT_PER_MINUTE, 0, link, Shares(credit_percent=5, lease_percent=10))
    bucket.renewed(Need(0, tokens, 0), tokens, 0.0, 0)
    return bucket


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of counting a request, in microseconds.")
    parser.add_argument("--seconds", type=float, default=0.6, help="per row")
    seconds = parser.parse_args().seconds
    rows = {"local": taking(TokenBucket(LIMIT_PER_MINUTE, 0)), "leased": taking(leased_bucket(10**12))}
    print(json.dumps({name: round(microseconds(measured, seconds), 2) for name, measured in rows.items()}))


if __name__ == "__main__":
    main()
