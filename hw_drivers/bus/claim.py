"""Who commands the motors of a bus: one program at a time.

SocketCAN and some adapters let several programs send. Two control loops, or a loop and the bench, would then pull one
motor two ways. Each of them claims the bus by its name first. The claim is a listening Unix socket in Linux's abstract
namespace (unix(7)): the kernel gives it up with the process, however that ends, and the namespace is that of the
network, as the CAN interfaces are. Listeners and the guard, which only ever stops motors, claim nothing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import socket
import struct
import sys
from pathlib import Path

from studio.core.errors import DeviceError

_PREFIX = b"\0haptic-play-studio/commands/"
_LONGEST = 107  # bytes of an address (struct sockaddr_un)
_WAITING = 4096  # who asks for the holder's number is never accepted, only queued; the kernel takes what it allows


class BusClaim:
    """Held until `release` or the end of the process.

    Args:
        name: of the bus, such as `socketcan:can0`.

    Raises:
        DeviceError: another program, or another part of this one, has claimed it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket: socket.socket | None = None
        if sys.platform != "linux":
            return  # no abstract names; its adapters are exclusive by themselves
        address = _address(name)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(address)
        except OSError as error:
            claim.close()
            if error.errno != errno.EADDRINUSE:
                raise DeviceError(f"Bus {name} cannot be claimed ({error.strerror}). Try again.") from error
            raise DeviceError(
                f"{_holder(address)} already commands the motors on {name}; two programs would pull them two ways. "
                "End that one first."
            ) from None
        claim.listen(_WAITING)
        self._socket = claim

    def release(self) -> None:
        """The bus is free for others; harmless when it was released before."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _address(name: str) -> bytes:
    """Names of serial adapters differ at their ends: one that is too long is not cut, its hash stands there instead."""
    address = _PREFIX + name.encode()
    return address if len(address) <= _LONGEST else _PREFIX + hashlib.sha256(name.encode()).hexdigest().encode()


def _holder(address: bytes) -> str:
    """Who listens there, for people."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        asking.connect(address)
        credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        number = struct.unpack("3i", credentials)[0]
        words = Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").split()
        return f"Process {number} ({' '.join(words)[:80]})"
    return "Another program"
