"""The committed URDF and meshes are what the description makes, and Bullet can take their inertia."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import DataError
from studio.robot.description import load_robot
from studio.robot.mesh import load_mesh
from studio.robot.urdf import make_meshes, make_urdf

ROBOT = load_robot()


def test_committed_files_are_up_to_date() -> None:
    assert ROBOT.urdf_path.read_text(encoding="utf-8") == make_urdf(ROBOT)
    for name, mesh in make_meshes(ROBOT).items():
        assert (ROBOT.urdf_path.parent / "meshes" / f"{name}.obj").read_text(encoding="utf-8") == mesh.to_obj()


def test_masses_add_up_and_inertia_keeps_the_triangle_inequality() -> None:
    root, total = ElementTree.parse(ROBOT.urdf_path).getroot(), 0.0
    for link in root.findall("link"):
        inertial = link.find("inertial")
        assert inertial is not None
        mass, tensor = inertial.find("mass"), inertial.find("inertia")
        assert mass is not None and tensor is not None
        total += float(mass.get("value", "nan"))
        xx, yy, zz = (float(tensor.get(k, "nan")) for k in ("ixx", "iyy", "izz"))
        assert xx + yy >= zz and yy + zz >= xx and xx + zz >= yy
        assert link.get("name") == "base" or min(xx, yy, zz) >= ROBOT.motor.rotor_inertia_kg_m2
    mass = ROBOT.mass
    arm_kg = mass.shoulder_kg + mass.upper_tube_kg + mass.wrist_motor_kg + mass.forearm_kg + mass.hand_kg
    assert total == pytest.approx(2 * arm_kg)


def test_meshes_are_closed_and_turned_outward() -> None:
    for mesh in make_meshes(ROBOT).values():
        edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
        forward = {tuple(e) for e in edges.tolist()}
        assert len(forward) == len(edges) and all((b, a) in forward for a, b in forward)
        a, b, c = (mesh.vertices_m[mesh.faces[:, i]] for i in range(3))
        assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0  # signed volume times six


def test_mesh_round_trip_and_broken_file(tmp_path: Path) -> None:
    mesh = make_meshes(ROBOT)["hand"]
    (tmp_path / "hand.obj").write_text(mesh.to_obj(), encoding="utf-8")
    loaded = load_mesh(tmp_path / "hand.obj")
    assert np.allclose(loaded.vertices_m, mesh.vertices_m, atol=1e-5) and (loaded.faces == mesh.faces).all()
    (tmp_path / "bad.obj").write_text("v one two three\n", encoding="utf-8")
    with pytest.raises(DataError, match="not a readable OBJ"):
        load_mesh(tmp_path / "bad.obj")
