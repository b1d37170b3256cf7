"""The radio of a street: Bluetooth LE between lampposts and whoever stands near, without hardware.

It needs Bumble, which only the extra `radio` installs; nothing here but :func:`open_radio` may be
imported by what has to work without.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulators.radio.street_radio import StreetRadio


class NoBumble(ImportError):
    """Bumble is not installed."""


def open_radio() -> "StreetRadio":
    """A radio that nobody is on yet; to be called within a running event loop.

    Raises:
        NoBumble: it cannot be had, and the text says what to install.
    """
    try:
        from simulators.radio.street_radio import StreetRadio
    except ModuleNotFoundError as error:
        if error.name != "bumble":
            raise
        raise NoBumble(
            "a street with radio needs Bumble, which is not installed: pip install 'lamplighter"
            "[radio]', or start the street without radio"
        ) from error
    return StreetRadio()
