"""The partition of a lamppost on the bench whose slots are its halves."""

from bench import BLOCK

# In a journal, where this partition begins.
ROM = 1 << 24


class Rom:
    """The partition whose halves are the slots: NOR flash as well, on the supply of `flash`."""

    def __init__(self, flash, data):
        self.flash = flash
        self.data = data
        self.view = View(data)

    def writeblocks(self, block, buf, off):
        if self.flash.dead:
            return -5
        self.flash.program(self.data, block * BLOCK + off, buf, ROM)
        return 0

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // BLOCK
        if op != 6:
            return 0
        if self.flash.dead:
            return -5
        self.flash.erase(self.data, arg * BLOCK, ROM)
        return 0


class View:
    """The partition as it is mapped: what is read of it shows what was written to it.

    A whole image is given as a copy that stays for ever: what was imported from it points into it,
    and on a chip is gone with the reset, which here is only played.
    """

    images = {}

    def __init__(self, data):
        self._data = data

    def __len__(self):
        return len(self._data)

    def __getitem__(self, at):
        if isinstance(at, int):
            return self._data[at]
        part = memoryview(self._data)[at.start : at.stop]
        if len(part) <= BLOCK:
            return part
        image = bytes(part)
        return memoryview(self.images.setdefault(image, image))
