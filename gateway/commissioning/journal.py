"""The sheets of all lampposts, kept on disk: an installer may leave and go on tomorrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, cast

from gateway.commissioning.results import Result, Sheet, read
from gateway.documents import json_object
from gateway.files import write_atomically
from gateway.logs import Logger

FILE: Final = "commissioning.json"
_VERSION: Final = 1
# Far more than a gateway has lampposts.
_MOST: Final = 1000
_LARGEST: Final = 8_000_000


class Journal:
    """Kept in `folder`; `sheets` by node id. A file that cannot be read is set aside, not lost."""

    def __init__(self, folder: Path, log: Logger) -> None:
        self._path = folder / FILE
        self._log = log
        self.sheets: dict[str, Sheet] = {}
        self._load()

    def sheet(self, node: str, name: str) -> Sheet:
        """The sheet of `node`, which is called `name` now."""
        sheet = self.sheets.get(node)
        if sheet is None:
            sheet = Sheet(node, name)
            if len(self.sheets) < _MOST:
                self.sheets[node] = sheet
        sheet.name = name
        return sheet

    def note(self, node: str, name: str, results: dict[str, Result]) -> None:
        """Keep `results`. Raises OSError; they count all the same until this process ends."""
        self.sheet(node, name).results.update(results)
        self._save()

    def forget(self, node: str, step: str) -> None:
        """There is no such part any more. Raises OSError."""
        if self.sheets.get(node) and self.sheets[node].results.pop(step, None) is not None:
            self._save()

    def _save(self) -> None:
        document = {
            "version": _VERSION,
            "sheets": [sheet.document() for sheet in self.sheets.values()],
        }
        write_atomically(self._path, json.dumps(document, ensure_ascii=False).encode())

    def _load(self) -> None:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            self._log.warning("commissioning results cannot be read", why=str(error))
            return
        try:
            document = json_object(data, _LARGEST)
            if document["version"] != _VERSION:
                raise ValueError(f"version {document['version']!r}, expected {_VERSION}")
            for one in cast("list[Any]", document["sheets"])[:_MOST]:
                sheet = read(one)
                self.sheets[sheet.node] = sheet
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            aside = self._path.with_name(f"{FILE}.damaged")
            self.sheets.clear()
            self._log.error("commissioning results set aside", file=str(aside), why=repr(error))
            try:
                self._path.replace(aside)
            except OSError as failed:
                self._log.warning("not set aside", why=str(failed))
