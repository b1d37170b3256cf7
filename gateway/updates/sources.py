"""Trust and where its metadata and the releases come from, as the configuration has it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.updates import UpdatesSection
from gateway.errors import ConfigurationError
from gateway.logs import Logger
from gateway.updates.shelf import Shelf

if TYPE_CHECKING:
    from gateway.updates.trust import RepositoryTrust
    from gateway.updates.web import WebImages

_BROKER_TIMEOUT_S = 10.0
_SOCKET_TIMEOUT_S = 10


def make_trust(
    settings: UpdatesSection, folder: Path, shelf: Shelf, log: Logger
) -> tuple[RepositoryTrust | None, WebImages | None]:
    """(trust, images by HTTP). To be called where the link's loop runs.

    Without a root file there is no trust: (None, None), and a warning.
    Without a repository's address all comes from the broker: (trust, None).

    Args:
        settings: `[updates]`.
        folder: where verified metadata is kept; nobody else writes there.
        shelf: metadata from the broker.
        log: where trouble is told.

    Raises:
        ConfigurationError: the root file is none.
    """
    if settings.root_file is None:
        log.warning("updates.root_file is not set: any release the broker names is relayed")
        return None, None
    # Not at the top: python-tuf takes 5 MB, which a gateway without a root file need not have.
    from gateway.updates.rootfile import read_root
    from gateway.updates.trust import RepositoryTrust

    try:
        root = read_root(settings.root_file)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"updates.root_file {settings.root_file}: expected root metadata (TUF), but {error}; "
            "put metadata/1.root.json of the release repository there"
        ) from error
    if settings.repository_url is None:
        from gateway.updates.shelf_fetcher import BASE_URL, ShelfFetcher

        loop = asyncio.get_running_loop()
        fetcher = ShelfFetcher(shelf, loop, _BROKER_TIMEOUT_S)
        return RepositoryTrust(root, folder, BASE_URL, fetcher, log), None
    from tuf.ngclient import Urllib3Fetcher

    from gateway.updates.web import WebImages

    url = settings.repository_url.rstrip("/")
    web = Urllib3Fetcher(_SOCKET_TIMEOUT_S)
    trust = RepositoryTrust(root, folder, f"{url}/metadata/", web, log)
    return trust, WebImages(f"{url}/targets", web, trust)
