"""What a setting's file holds: NAME_FILE in place of NAME, as Docker's official images have it."""

import os
import stat

from service.parsing import Invalid

MOST = 65536  # bytes; far more than any setting may have


def content(path: str) -> str:
    """Return the text of a file, without the newline that editors put at its end.

    Raises Invalid for what cannot be read, is no text or is empty.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe would wait
            raise Invalid("it is not a file")
        with open(path, "rb") as file:
            data = file.read(MOST + 1)
        text = data.decode()
    except UnicodeDecodeError:
        raise Invalid("the file is not UTF-8") from None
    except OSError as error:
        raise Invalid(f"the file cannot be read: {error.strerror}") from None
    if len(data) > MOST:
        raise Invalid(f"the file has more than {MOST} bytes")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise Invalid("the file is empty")
    return text
