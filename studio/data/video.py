"""Compressed video in MCAP: `foxglove.CompressedVideo` messages, key frames told from the bytes, decoding with PyAV."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.timestamp_pb2 import Timestamp

from studio.core.errors import DataError
from studio.data.protobuf_schema import message_class

SCHEMA_NAME = "foxglove.CompressedVideo"
NS_PER_S = 1_000_000_000
_DECODERS = {"h264": "h264", "h265": "hevc", "av1": "libdav1d", "vp9": "vp9"}
_KEPT_FRAMES = 24
_SEQUENCE_HEADER_OBU = 1


@lru_cache(maxsize=1)
def video_descriptors() -> FileDescriptorSet:
    """Schema of `foxglove.CompressedVideo` (docs.foxglove.dev, message schemas)."""
    timestamp = FileDescriptorProto()
    Timestamp.DESCRIPTOR.file.CopyToProto(timestamp)
    file = FileDescriptorProto(
        name="foxglove/CompressedVideo.proto",
        package="foxglove",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto"],
    )
    message = file.message_type.add(name="CompressedVideo")
    optional = FieldDescriptorProto.LABEL_OPTIONAL
    message.field.add(
        name="timestamp",
        number=1,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        label=optional,
        type_name=".google.protobuf.Timestamp",
    )
    message.field.add(name="frame_id", number=2, type=FieldDescriptorProto.TYPE_STRING, label=optional)
    message.field.add(name="data", number=3, type=FieldDescriptorProto.TYPE_BYTES, label=optional)
    message.field.add(name="format", number=4, type=FieldDescriptorProto.TYPE_STRING, label=optional)
    return FileDescriptorSet(file=[timestamp, file])


def _video_class() -> type[Any]:
    return message_class(video_descriptors(), SCHEMA_NAME)


def encode_frame(t_ns: int, frame_id: str, packet: bytes, codec: str) -> bytes:
    """One `foxglove.CompressedVideo` message."""
    message = _video_class()(frame_id=frame_id, data=packet, format=codec)
    message.timestamp.seconds, message.timestamp.nanos = divmod(t_ns, NS_PER_S)
    return message.SerializeToString()


def decode_frame(payload: memoryview) -> tuple[bytes, str]:
    """Packet and codec of a message."""
    message = _video_class().FromString(bytes(payload))
    return message.data, message.format


def is_keyframe(packet: bytes, codec: str) -> bool:
    """Whether decoding can start here: H.264 with an IDR slice, AV1 with a sequence header."""
    if codec == "h264":
        return any(kind == 5 for kind in nal_kinds(packet))
    if codec == "av1":
        return _SEQUENCE_HEADER_OBU in _obu_kinds(packet)
    return True


def nal_kinds(packet: bytes) -> list[int]:
    """Kinds of the NAL units of an Annex B packet."""
    kinds: list[int] = []
    position = packet.find(b"\x00\x00\x01")
    while 0 <= position < len(packet) - 3:
        kinds.append(packet[position + 3] & 0x1F)
        position = packet.find(b"\x00\x00\x01", position + 3)
    return kinds


def _obu_kinds(packet: bytes) -> list[int]:
    kinds: list[int] = []
    position = 0
    while position < len(packet):
        head = packet[position]
        kinds.append(head >> 3 & 0xF)
        position += 2 if head & 4 else 1
        if not head & 2:
            break
        size, position = _leb128(packet, position)
        position += size
    return kinds


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 56, 7):
        if position >= len(data):
            return len(data), position
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
    return value, position


@dataclass(frozen=True, slots=True)
class VideoPacket:
    """One packet in decoding order; `t_ns` is when its picture was taken."""

    t_ns: int
    receive_t_ns: int
    data: bytes
    keyframe: bool


class VideoDecoder:
    """Pictures of one camera by index, in order of their capture time.

    Going forward decodes on; going back or far ahead starts at the nearest key frame.

    Args:
        packets: in decoding order.
        codec: `h264` or `av1` (as in `foxglove.CompressedVideo.format`).
        where: for messages.
    """

    def __init__(self, packets: list[VideoPacket], codec: str, where: str) -> None:
        if codec not in _DECODERS:
            raise DataError(f"{where}: video codec {codec!r} is not known. Known: {', '.join(sorted(_DECODERS))}.")
        self._packets, self._codec, self._where = packets, codec, where
        self.times_ns = np.array(sorted(packet.t_ns for packet in packets), dtype=np.int64)
        self._keyframes = [i for i, packet in enumerate(packets) if packet.keyframe]
        position = {packet.t_ns: i for i, packet in enumerate(packets)}
        self._packet_of = [position[int(t)] for t in self.times_ns]
        self._context: Any = None
        self._next = 0
        self._last_ns = -1  # capture time of the last picture that the decoder gave
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()

    def picture(self, index: int) -> np.ndarray:
        """Picture number `index`, shape [height, width, 3] uint8, RGB."""
        if not 0 <= index < len(self.times_ns):
            raise DataError(f"{self._where}: frame {index} does not exist; there are {len(self.times_ns)}.")
        t_ns = int(self.times_ns[index])
        if t_ns not in self._kept:
            self._decode_to(t_ns, self._packet_of[index])
        self._kept.move_to_end(t_ns)
        return self._kept[t_ns]

    def _decode_to(self, t_ns: int, packet_index: int) -> None:
        start = max((k for k in self._keyframes if k <= packet_index), default=None)
        if start is None:
            raise DataError(f"{self._where}: no key frame before frame at {t_ns} ns; the video's start is missing.")
        if self._context is None or self._next < start or t_ns <= self._last_ns:
            self._restart(start)
        while t_ns not in self._kept and self._next < len(self._packets):
            self._feed(self._packets[self._next])
            self._next += 1
        if t_ns not in self._kept:
            self._flush()
        if t_ns not in self._kept:
            raise DataError(f"{self._where}: the frame at {t_ns} ns cannot be decoded. Run `dataset verify`.")

    def _restart(self, packet_index: int) -> None:
        self._context = av.CodecContext.create(_DECODERS[self._codec], "r")
        self._context.thread_count = 1
        self._next, self._last_ns = packet_index, -1

    def _feed(self, packet: VideoPacket) -> None:
        unit = av.Packet(packet.data)
        unit.pts = unit.dts = packet.t_ns
        try:
            for frame in self._context.decode(unit):
                self._keep(frame)
        except FFmpegError as error:
            raise DataError(f"{self._where}: damaged video packet at {packet.t_ns} ns ({error}).") from error

    def _flush(self) -> None:
        """Pictures the decoder still holds back (a decoder with a delay, or B-frames)."""
        for frame in self._context.decode(None):
            self._keep(frame)
        self._context = None

    def _keep(self, frame: Any) -> None:
        self._last_ns = int(frame.pts)
        self._kept[self._last_ns] = frame.to_ndarray(format="rgb24")
        while len(self._kept) > _KEPT_FRAMES:
            self._kept.popitem(last=False)
