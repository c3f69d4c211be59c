"""What a view of a panel shows, whether matplotlib draws it or the browser."""

PNG = b"\x89PNG\r\n\x1a\n"
DRAWN = (PNG, b"{'kind': ")  # the bytes of a picture begin with one of these


def bytes_of(image):
    """The bytes of an image, or the text of the data that the browser draws; b"" for nothing."""
    value = image.value
    return bytes(value) if isinstance(value, bytes | memoryview) else repr(value).encode() if value else b""
