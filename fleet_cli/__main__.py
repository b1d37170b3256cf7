"""`python -m fleet_cli` is `lamplighter`."""

from fleet_cli.main import main

main()
