"""Compressed packets of an mp4 file, as MCAP wants them: H.264 with start codes, AV1 with its sequence header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError

from studio.core.errors import DataError
from studio.data.video import VideoPacket, is_keyframe

_CODECS = {"h264": "h264", "av1": "av1", "libdav1d": "av1", "hevc": "h265"}
_FILTERS = {"h264": "h264_mp4toannexb", "h265": "hevc_mp4toannexb"}
_AV1_CONFIGURATION_BYTES = 4  # av1C: marker, profile, flags, delay; then the OBUs


@dataclass(frozen=True, kw_only=True)
class Mp4Info:
    """Packets in decoding order, times from the start of the file, and what they show."""

    packets: list[VideoPacket]
    codec: str
    width_px: int
    height_px: int


def read_mp4(path: Path) -> Mp4Info:
    """All packets of the first video stream.

    Raises:
        DataError: missing, empty, truncated, not a video, or a codec that cannot be kept.
    """
    if not path.exists():
        raise DataError(f"{path} is missing: the dataset declares this video. Check the download.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty. Copy the video again.")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            return _read(container, path)
    except (FFmpegError, ValueError) as error:
        raise DataError(
            f"{path} is not a readable video ({error}). It is cut off or foreign; copy it again."
        ) from error


def _read(container: Any, path: Path) -> Mp4Info:
    if not container.streams.video:
        raise DataError(f"{path} holds no video. Check the file.")
    stream = container.streams.video[0]
    decoder: Any = stream.codec_context  # None for a codec that this FFmpeg does not know
    name = str(decoder.name) if decoder else "unknown"
    codec = _CODECS.get(name)
    if codec is None:
        raise DataError(f"{path}: video codec {name} cannot be kept; allowed h264, h265, av1. Convert the video first.")
    extradata: bytes | None = decoder.extradata
    header = bytes(extradata or b"")[_AV1_CONFIGURATION_BYTES:]
    context = BitStreamFilterContext(_FILTERS[codec], in_stream=stream) if codec in _FILTERS else None
    packets = [_packet(p, codec, header) for raw in container.demux(stream) for p in _filtered(raw, context)]
    _check(packets, stream, path)
    start_ns = min(packet.t_ns for packet in packets)
    shifted = [VideoPacket(p.t_ns - start_ns, p.t_ns - start_ns, p.data, p.keyframe) for p in packets]
    return Mp4Info(packets=shifted, codec=codec, width_px=stream.width, height_px=stream.height)


def _filtered(packet: Any, context: Any) -> list[Any]:
    if packet.size == 0 or packet.pts is None:
        return []
    return [packet] if context is None else context.filter(packet)


def _packet(packet: Any, codec: str, header: bytes) -> VideoPacket:
    data = bytes(packet)
    if codec == "av1" and packet.is_keyframe and not is_keyframe(data, codec):
        data = header + data
    t_ns = round(packet.pts * packet.time_base * 1_000_000_000)
    return VideoPacket(t_ns, t_ns, data, is_keyframe(data, codec))


def _check(packets: list[VideoPacket], stream: Any, path: Path) -> None:
    if not packets:
        raise DataError(f"{path} holds no picture. Copy the video again.")
    if stream.frames and len(packets) < stream.frames:
        raise DataError(
            f"{path} is cut off: {len(packets)} of {stream.frames} pictures are there. Copy the video again."
        )
    if not packets[0].keyframe:
        raise DataError(
            f"{path} does not start with a key frame, so its start cannot be shown. Convert the video first."
        )
