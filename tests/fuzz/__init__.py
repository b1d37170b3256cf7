"""Hostile bytes: for each place where bytes from outside enter the gateway, a harness.

A harness feeds bytes to the real entry point, shaped so far that they get in, and checks what must
hold whatever they are. `make test` gives them to hypothesis, `make soak` to atheris;
`python -m tests.fuzz NAME --seconds 60` runs one by hand.
"""
