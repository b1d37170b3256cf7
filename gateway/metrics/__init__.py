"""What the gateway says of itself on loopback: Prometheus metrics, health and its lampposts."""
