"""Why an update is refused: a code of ours, the nearest SMP image group code, and a text."""

from protocol import smp

# Result codes of SMP's image group (Zephyr, img_mgmt.h) that are used here.
IMG_OK = 0
IMG_NO_IMAGE = 3
IMG_NO_TLVS = 4
IMG_INVALID_TLV = 5
IMG_HASH_NOT_FOUND = 8
IMG_FLASH_WRITE_FAILED = 12
IMG_INVALID_SLOT = 14
IMG_INVALID_OFFSET = 20
IMG_INVALID_LENGTH = 21
IMG_INVALID_HEADER = 22
IMG_INVALID_MAGIC = 23
IMG_INVALID_HASH = 24
IMG_NOT_NEWER = 27
IMG_ALREADY_PENDING = 28
IMG_INVALID_VECTOR_TABLE = 29
IMG_TOO_LARGE = 30
IMG_DATA_OVERRUN = 31
IMG_CONFIRMATION_DENIED = 32
IMG_TEST_TO_ACTIVE_DENIED = 33

HEADER = 1
MAGIC = 2
TOO_LARGE = 3
TRUNCATED = 4
TLV = 5
NO_HASH = 6
HASH = 7
KEY = 8
SIGNATURE = 9
BOARD = 10
SECURITY_COUNTER = 11
PAYLOAD = 12
FILE_NAME = 13
BYTECODE = 14
UPLOAD_HASH = 15
NOT_NEWER = 16
FLASH = 17
DELTA_BASE = 18  # another release runs than the delta was made from: send the whole image
DELTA = 19  # the delta cannot be applied: send the whole image
GAVE_UP = 20  # too many steps with one image

# Clients know these codes only, and take no text beside them. An image for another board or
# interpreter is what an invalid vector table is on a Cortex: built for something else.
_RC = {
    HEADER: IMG_INVALID_HEADER,
    MAGIC: IMG_INVALID_MAGIC,
    TOO_LARGE: IMG_TOO_LARGE,
    TRUNCATED: IMG_NO_TLVS,
    TLV: IMG_INVALID_TLV,
    NO_HASH: IMG_HASH_NOT_FOUND,
    HASH: IMG_INVALID_HASH,
    KEY: IMG_INVALID_TLV,
    SIGNATURE: IMG_INVALID_TLV,
    BOARD: IMG_INVALID_VECTOR_TABLE,
    SECURITY_COUNTER: IMG_NOT_NEWER,
    PAYLOAD: IMG_INVALID_TLV,
    FILE_NAME: IMG_INVALID_TLV,
    BYTECODE: IMG_INVALID_VECTOR_TABLE,
    UPLOAD_HASH: IMG_INVALID_HASH,
    NOT_NEWER: IMG_NOT_NEWER,
    FLASH: IMG_FLASH_WRITE_FAILED,
    # Nothing else that is asked of an upload is answered so: what is missing is the base.
    DELTA_BASE: IMG_NO_IMAGE,
    DELTA: IMG_NO_IMAGE,
    GAVE_UP: IMG_CONFIRMATION_DENIED,
}


class Refused(Exception):
    """An image is not taken. `code` is one of the constants here, `text` says why to a person."""

    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def rc(self) -> int:
        """The result code for SMP's image group."""
        return _RC[self.code]


def failure(rc: int) -> dict:
    """The body of a reply that refuses with this result code of the image group."""
    return smp.error(smp.GROUP_IMAGE, rc)
