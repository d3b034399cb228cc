"""Live H.264: no B-frames, short groups of pictures, every key frame with its parameter sets."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np

from studio.core.errors import ConfigError
from studio.data.video import VideoPacket, is_keyframe

GROUP_OF_PICTURES = 8  # survey of peers, 4.2 rule 5
_QUALITY = "23"


class FrameEncoder:
    """Pictures to H.264 packets, one packet per picture, at once.

    Args:
        width_px, height_px: even numbers (4:2:0).
        rate_hz: nominal; each packet carries its own time.
    """

    def __init__(self, width_px: int, height_px: int, rate_hz: float) -> None:
        if width_px % 2 or height_px % 2 or width_px < 16 or height_px < 16:
            raise ConfigError(
                f"Pictures of {width_px} x {height_px} px cannot be encoded: give even sizes from 16 px on."
            )
        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = width_px, height_px, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 1_000_000), Fraction(rate_hz).limit_denominator(1000)
        context.gop_size, context.max_b_frames, context.thread_count = GROUP_OF_PICTURES, 0, 1
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "crf": _QUALITY,
            "x264-params": f"keyint={GROUP_OF_PICTURES}:min-keyint=1:scenecut=0:repeat-headers=1:annexb=1",
        }
        self._context = context

    def encode(self, t_ns: int, receive_t_ns: int, image: np.ndarray) -> list[VideoPacket]:
        """Packets of one picture [height, width, 3] uint8, RGB."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = t_ns // 1000, Fraction(1, 1_000_000)
        return [self._packet(t_ns, receive_t_ns, bytes(packet)) for packet in self._context.encode(frame)]

    def _packet(self, t_ns: int, receive_t_ns: int, data: bytes) -> VideoPacket:
        return VideoPacket(t_ns, receive_t_ns, data, is_keyframe(data, "h264"))
