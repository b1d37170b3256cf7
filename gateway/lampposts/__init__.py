"""Lampposts, whatever link leads to them: sealed exchanges, requests by name, visits, polling."""
