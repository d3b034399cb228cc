"""Pictures between processes: a preview ring of raw images, and a ring of compressed packets for the recorder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.core.records import Field, RecordType, Role
from studio.data.video import VideoPacket
from studio.ipc.ring import RingReader, RingWriter

PAYLOAD_BYTES = 32 << 10
_PACKETS_SECONDS = 12.0


def image_stream(camera: str) -> str:
    return f"camera.{camera}.image"


def packet_stream(camera: str) -> str:
    return f"camera.{camera}.packets"


def camera_of(stream: str) -> str | None:
    """The camera whose packets a stream carries, else None."""
    prefix, _, rest = stream.partition(".")
    name, _, kind = rest.rpartition(".")
    return name if prefix == "camera" and kind == "packets" else None


def make_image_record(camera: str, *, width_px: int, height_px: int, rate_hz: float) -> RecordType:
    """Preview pictures, RGB; `t_ns` is the capture time."""
    image = Field(name="image", shape=(height_px, width_px, 3), dtype="<u1")
    return RecordType(image_stream(camera), rate_hz, (Field(name="frame", dtype="<i8", role=Role.LABEL), image))


def make_packet_record(camera: str, rate_hz: float) -> RecordType:
    """Compressed pictures in parts of fixed size. `t_ns` is the capture time, `receive_t_ns` when the driver had it."""
    metric = Role.METRIC
    return RecordType(
        packet_stream(camera),
        rate_hz,
        (
            Field(name="receive_t_ns", dtype="<i8", unit="ns", role=metric),
            Field(name="frame", dtype="<i8", role=metric),
            Field(name="keyframe", dtype="<u1", role=metric),
            Field(name="part", dtype="<i4", role=metric),
            Field(name="parts", dtype="<i4", role=metric),
            Field(name="size", dtype="<i4", role=metric),
            Field(name="width_px", dtype="<i4", unit="px", role=metric),
            Field(name="height_px", dtype="<i4", unit="px", role=metric),
            Field(name="payload", shape=(PAYLOAD_BYTES,), dtype="<u1", role=metric),
        ),
    )


class PacketWriter:
    """Puts packets of one camera into their ring, cut into parts where they are larger than one record."""

    def __init__(self, path: Path, camera: str, *, width_px: int, height_px: int, rate_hz: float) -> None:
        record_type = make_packet_record(camera, rate_hz)
        self._ring = RingWriter(path, record_type, seconds=_PACKETS_SECONDS)
        self._record = record_type.empty()
        self._record["width_px"], self._record["height_px"] = width_px, height_px

    def write(self, frame: int, packet: VideoPacket) -> None:
        """Append one packet; `frame` counts pictures from 0 without a break, so that readers see what is missing."""
        record, data = self._record, packet.data
        parts = max(1, -(-len(data) // PAYLOAD_BYTES))
        record["t_ns"], record["receive_t_ns"], record["frame"] = packet.t_ns, packet.receive_t_ns, frame
        record["keyframe"], record["parts"] = packet.keyframe, parts
        for part in range(parts):
            piece = data[part * PAYLOAD_BYTES : (part + 1) * PAYLOAD_BYTES]
            record["part"], record["size"] = part, len(piece)
            record["payload"][0, : len(piece)] = np.frombuffer(piece, dtype=np.uint8)
            self._ring.write(record)

    def close(self) -> None:
        self._ring.close()


@dataclass(slots=True)
class _Open:
    frame: int = -1
    data: bytes = b""
    parts: int = 0


class PacketReader:
    """Packets of one camera's ring, from the last key frame before attaching.

    `dropped` counts pictures lost: those overrun, and those after a loss up to the next key frame, because they cannot
    be decoded.
    """

    def __init__(self, path: Path) -> None:
        self._ring = RingReader(path, from_oldest=True)
        self.rate_hz = self._ring.record_type.rate_hz
        self.width_px = self.height_px = 0
        self.dropped = 0
        self._expected = -1
        self._waiting_for_key = False
        self._open = _Open()
        self._first: list[VideoPacket] | None = self._take_group()

    def _take_group(self) -> list[VideoPacket]:
        """The group of pictures that is running at the moment of attaching."""
        packets = self._assemble(self._ring.read())
        starts = [i for i, packet in enumerate(packets) if packet.keyframe]
        self.dropped = 0
        return packets[starts[-1] :] if starts else []

    def read(self) -> list[VideoPacket]:
        """Packets since the last call, in decoding order."""
        first, self._first = self._first or [], None
        return first + self._assemble(self._ring.read())

    def _assemble(self, records: np.ndarray) -> list[VideoPacket]:
        found: list[VideoPacket] = []
        for record in records:
            packet = self._join(record)
            if packet is not None and self._accept(int(record["frame"]), packet):
                found.append(packet)
        if len(records):
            self.width_px, self.height_px = int(records[-1]["width_px"]), int(records[-1]["height_px"])
        return found

    def _join(self, record: np.void) -> VideoPacket | None:
        frame, part = int(record["frame"]), int(record["part"])
        if part == 0:
            self._open = _Open(frame=frame)
        if self._open.frame != frame or self._open.parts != part:
            return None  # an earlier part was overrun
        self._open.data += record["payload"][: int(record["size"])].tobytes()
        self._open.parts += 1
        if self._open.parts < int(record["parts"]):
            return None
        return VideoPacket(int(record["t_ns"]), int(record["receive_t_ns"]), self._open.data, bool(record["keyframe"]))

    def _accept(self, frame: int, packet: VideoPacket) -> bool:
        missing = frame - self._expected if self._expected >= 0 and frame > self._expected else 0
        restarted = 0 <= frame < self._expected  # the camera's process was started again and counts from 0
        self._expected = frame + 1
        self.dropped += missing
        self._waiting_for_key = (self._waiting_for_key or missing > 0 or restarted) and not packet.keyframe
        self.dropped += self._waiting_for_key
        return not self._waiting_for_key

    def close(self) -> None:
        self._ring.close()
