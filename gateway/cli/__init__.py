"""The commands of `lamplighter-gateway` beside `run`, one module each."""
