"""What tests of hostile input share: folders full of what is no image, and what a refusal must look like."""

import os
import signal

import numpy as np
import pytest
from PIL import Image

from gan_ssl import errors

PICTURE = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)


@pytest.fixture(autouse=True)
def no_test_hangs():
    """Ends a test that waits for a pipe."""

    def ring(number, frame):
        raise AssertionError("this took more than 20 s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def save(path, pixels=PICTURE, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **kwargs)
    return path


def refused(call, *parts, kind=errors.DataError):
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert message.isprintable()
    for part in parts:
        assert str(part) in message, message


def tree(root):
    """Every entry below a folder: its kind, and what it holds or where it leads."""
    return {
        str(p.relative_to(root)): os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else "folder"
        for p in sorted(root.rglob("*"))
    }


def odd_entries(root):
    """Makes what must be named instead of being waited for or read; returns the names."""
    root.mkdir(parents=True, exist_ok=True)
    os.mkfifo(root / "pipe.png")
    (root / "device.png").symlink_to("/dev/zero")
    (root / "broken.png").symlink_to("nowhere")
    (root / "circle.png").symlink_to("circle.png")
    (root / "empty.png").touch()
    (root / "line\nbreak\x1b[2J.png").write_bytes(b"no image")
    (root / os.fsdecode(b"caf\xe9.png")).write_bytes(b"no image")
    (root / "linked.png").symlink_to(".")
    return ["pipe", "device", "broken", "circle", "empty", "line\\nbreak\\x1b[2J", "caf\\udce9"]
