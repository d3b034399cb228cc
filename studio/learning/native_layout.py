"""Structures of resources/native/skill_rollout.c and the packing of weights into them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_float, c_int32, c_void_p
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MOST_SPANS, MOST_ARMS, MOST_MEMBERS, MOST_BLOCKS = 8, 4, 8, 16


class Layer(Structure):
    _fields_ = (
        ("inputs", c_int32),
        ("panels", c_int32),
        ("silu", c_int32),
        ("weight", c_void_p),
        ("bias", c_void_p),
        ("depth", c_void_p),
    )


class Network(Structure):
    _fields_ = (("count", c_int32), ("layers", POINTER(Layer)))


class Block(Structure):
    _fields_ = (("first", Layer), ("second", Layer), ("out", Network))


class Span(Structure):
    _fields_ = (("start", c_int32), ("size", c_int32), ("rotation", c_int32))


def _whole(*names: str) -> list[tuple[str, Any]]:
    return [(name, c_int32) for name in names]


class Model(Structure):
    _fields_ = (
        *_whole("state_size", "skill_size", "feature_size", "half", "widest"),
        *_whole("span_count", "position", "rotation", "joints", "arms"),
        *_whole("tips_world", "tips_object", "near_contact", "symmetries"),
        ("spans", Span * MOST_SPANS),
        ("bases_m", (c_float * 3) * MOST_ARMS),
        ("links_m", c_float * 3),
        ("half_size_m", c_float),
        ("radius_m", c_float),
        ("group", c_void_p),
        ("mean", c_void_p),
        ("inverse_deviation", c_void_p),
        ("change_scale", c_void_p),
        ("change_weight", c_void_p),
        *_whole("blocks", "members", "values", "context_columns", "change_size"),
        ("context", Network),
        ("context_parts", Network),
        ("head", Network),
        ("dynamics", Network * MOST_MEMBERS),
        ("value", Network * MOST_MEMBERS),
        ("block", Block * MOST_BLOCKS),
        ("value_scale", c_float),
    )


class Score(Structure):
    _fields_ = (
        *_whole("use_value", "unused"),
        ("goal", c_float * 12),
        ("position_tolerance_m", c_float),
        ("orientation_tolerance_rad", c_float),
        ("position_deadband_m", c_float),
        ("orientation_deadband_rad", c_float),
        ("rotation_weight", c_float),
        ("area_weight", c_float),
        ("approach_weight", c_float),
        ("approach_from_m", c_float),
        ("terminal_weight", c_float),
        ("disagreement_weight", c_float),
        ("low_m", c_float * 2),
        ("high_m", c_float * 2),
    )


class Job(Structure):
    _fields_ = (
        ("model", POINTER(Model)),
        ("score", POINTER(Score)),
        ("start", c_void_p),
        ("base", c_void_p),
        ("path", c_void_p),
        ("skills", c_void_p),
        ("returns", c_void_p),
        ("stages", c_int32),
        ("samples", c_int32),
        ("next_tile", c_int32),
    )


class Packer:
    """Puts weights into panels and keeps everything alive that structures point to.

    Args:
        panel: output columns computed together.
        half: bfloat16 weights in pairs of inputs.
    """

    def __init__(self, panel: int, *, half: bool) -> None:
        self._panel, self._half = panel, half
        self._kept: list[Any] = []
        self.widest = panel

    def floats(self, values: Tensor) -> int:
        """Address of a float32 copy."""
        return self._keep(values.detach().float().contiguous().clone()).data_ptr()

    def padded(self, size: int) -> int:
        """`size` outputs as the layers write them."""
        return -(-size // self._panel) * self._panel

    def layer(self, weight: Tensor, bias: Tensor | None, *, silu: bool, inputs: int | None = None) -> Layer:
        """One layer of weight [out, in]; `inputs` is the width of the rows it reads, padding included."""
        outputs, width = weight.shape
        inputs = inputs or width + width % 2
        columns = self.padded(outputs)
        self.widest = max(self.widest, columns, inputs)
        full = torch.zeros(columns, inputs)
        full[:outputs, :width] = weight.detach().float()
        shifts = torch.zeros(columns)
        if bias is not None:
            shifts[:outputs] = bias.detach().float()
        return Layer(
            inputs=inputs,
            panels=columns // self._panel,
            silu=silu,
            weight=self._panels(full),
            bias=self.floats(shifts),
            depth=self._depths(full),
        )

    def network(self, layers: Sequence[Layer]) -> Network:
        held = self._keep((Layer * len(layers))(*layers))
        return Network(count=len(layers), layers=ctypes.cast(held, POINTER(Layer)))

    def mlp(self, module: nn.Module, *, ends_with_silu: bool = False) -> Network:
        """A Sequential of Linear layers with SiLU between."""
        linears = [part for part in module.modules() if isinstance(part, nn.Linear)]
        layers, inputs = [], None
        for number, part in enumerate(linears):
            silu = ends_with_silu or number < len(linears) - 1
            layers.append(self.layer(part.weight, part.bias, silu=silu, inputs=inputs))
            inputs = self.padded(part.out_features)
        return self.network(layers)

    def _panels(self, full: Tensor) -> int:
        columns, inputs = full.shape
        panels = full.reshape(columns // self._panel, self._panel, inputs)
        if not self._half:
            return self._aligned(panels.transpose(1, 2).contiguous())
        pairs = panels.reshape(-1, self._panel, inputs // 2, 2).transpose(1, 2)
        return self._aligned(pairs.contiguous().to(torch.bfloat16).view(torch.int16))

    def _aligned(self, values: Tensor) -> int:
        """Address of a copy that starts on a cache line, so that no vector lies across two."""
        raw = values.numpy().tobytes()
        room = self._keep(np.zeros(len(raw) + 64, dtype=np.uint8))
        offset = -room.ctypes.data % 64
        room[offset : offset + len(raw)] = np.frombuffer(raw, dtype=np.uint8)
        return room.ctypes.data + offset

    def _depths(self, full: Tensor) -> int:
        """Per panel how many leading inputs have any weight: masked layers skip the rest."""
        used = full.reshape(-1, self._panel, full.shape[1]).abs().amax(1) > 0
        places = torch.arange(1, full.shape[1] + 1)
        depth = self._keep((used * places).amax(1).to(torch.int32).contiguous())
        return depth.data_ptr()

    def _keep(self, thing: Any) -> Any:
        self._kept.append(thing)
        return thing
