"""Other gateways, driven with the same load on the same machine in the same run."""
