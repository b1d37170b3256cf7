"""The city store: every record once, by (node, epoch, seq)."""

from fleet_cli.store.rows import Counts, LamppostRow, RecordRow, RejectedRow
from fleet_cli.store.store import Store

__all__ = ["Counts", "LamppostRow", "RecordRow", "RejectedRow", "Store"]
