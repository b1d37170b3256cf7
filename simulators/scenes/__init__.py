"""Streets known from the literature, played with the node's own logic."""
