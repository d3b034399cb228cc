"""The scene as data: `resources/scenes/<name>/scene.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.core.config import check_range, load_toml, make_config
from studio.core.errors import ConfigError
from studio.core.paths import resources_dir


@dataclass(frozen=True, kw_only=True)
class CameraPlace:
    """A fixed camera: pinhole, square pixels, `field_of_view_rad` vertically."""

    name: str
    width_px: int
    height_px: int
    rate_hz: float
    eye_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    up: tuple[float, float, float]
    field_of_view_rad: float


@dataclass(frozen=True, kw_only=True)
class Scene:
    name: str
    object_urdf: str
    object_mass_kg: float
    object_edge_m: float
    friction_table_object: float
    friction_tip_object: float
    tip_stiffness_n_m: float
    tip_damping_n_s_m: float
    tag_family: str
    tag_edge_m: float
    tag_ids: tuple[int, ...]
    tag_right: tuple[tuple[float, ...], ...]
    tag_up: tuple[tuple[float, ...], ...]
    camera: CameraPlace
    folder: Path
    format_version: int = 1


def load_scene(name: str = "dual_arm_box") -> Scene:
    """Read a scene by name; ranges are checked."""
    path = resources_dir() / "scenes" / name / "scene.toml"
    data = load_toml(path)
    if data.get("format_version") != 1:
        raise ConfigError(f"{path}: format_version is {data.get('format_version')}; this studio reads 1.")
    scene = make_config(Scene, {**data, "folder": path.parent}, where=str(path))
    check_range("scene", "object_mass_kg", scene.object_mass_kg, 0.01, 20, " kg")
    check_range("scene", "object_edge_m", scene.object_edge_m, 0.02, 0.5, " m")
    check_range("scene", "friction_table_object", scene.friction_table_object, 0.05, 2)
    check_range("scene", "friction_tip_object", scene.friction_tip_object, 0.05, 2)
    check_range("scene", "tip_stiffness_n_m", scene.tip_stiffness_n_m, 1e3, 1e6, " N/m")
    check_range("scene", "tip_damping_n_s_m", scene.tip_damping_n_s_m, 0.1, 1e4, " N*s/m")
    return scene
