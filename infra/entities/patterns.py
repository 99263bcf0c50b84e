"""Forms of texts that entities have, to be matched in full; whoever writes entities checks by them."""

EMAIL_PATTERN = r"[^@\s]+@[^@\s]+"
CURRENCY_PATTERN = r"[A-Za-z]{3}"  # an ISO 4217 code; kept in upper case
COLOR_PATTERN = r"#[0-9A-Fa-f]{6}"
