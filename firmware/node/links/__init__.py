"""Links: from bytes of a line to SMP messages and back; each counts what it `rejected`."""

# Longest time without check-in: verifying and unpacking an image happens inside one request.
LIMIT_MS = 120_000
