"""Configuration files written for people, and how they reach the lampposts."""

from fleet_cli.configuration.document import Document, read_document

__all__ = ["Document", "read_document"]
