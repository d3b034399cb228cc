"""The model table: every number has a source, rows as the manuals print them, unresolved names ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_drivers.motors import models as module
from hw_drivers.motors.models import UnresolvedModelError, find_range, known_ranges, load_models, load_sources
from studio.core.errors import ConfigError

LEGACY = {  # driver manual V1.0.18 page 63: velocity rad/s, torque N*m; position 12.5 rad for all
    "AK10-9": (50.0, 65.0),
    "AK60-6": (45.0, 15.0),
    "AK70-10": (50.0, 25.0),
    "AK80-6": (76.0, 12.0),
    "AK80-9": (50.0, 18.0),
    "AK80-64": (8.0, 144.0),
    "AK80-8": (37.5, 32.0),
    "AK45-36": (6.0, 34.0),
    "AK45-10": (20.0, 8.0),
    "AK40-10": (45.5, 5.0),
}
V3 = {
    "AK60-6": (60.0, 12.0),
    "AK80-9": (65.0, 18.0),
    "AK10-9": (28.0, 54.0),
    "AK70-9": (30.0, 32.0),
    "AK80-6": (76.0, 12.0),
}


def test_the_rows_of_the_manuals() -> None:
    found = {key: (row.position_rad, row.velocity_rad_s, row.torque_nm) for key, row in known_ranges().items()}
    expected = {(model, "legacy"): (12.5, *row) for model, row in LEGACY.items()}
    expected |= {(model, "v3"): (12.56, *row) for model, row in V3.items()}
    assert found == expected
    assert all((row.kp_nm_rad, row.kd_nm_s_rad) == (500.0, 5.0) for row in known_ranges().values())


def test_every_number_has_a_source_that_is_written_out() -> None:
    sources = load_sources()
    rows = [row for model in load_models().values() for row in model.numbers.values()]
    rows += [row for model in load_models().values() for keys in model.ranges.values() for row in keys.values()]
    assert len(rows) > 100
    for row in rows:
        for source in (row.source, *(source for _, source in row.others)):
            assert source.split(" ")[0] in sources
    assert "V1.0.18" in find_range("AK60-6").source and "p. 63" in find_range("AK60-6").source


def test_disagreeing_sources_are_listed() -> None:
    model = load_models()["AK60-6"]
    assert model.alternatives("legacy", "velocity_rad_s") == (45.0, 50.0, 41.87)
    assert 30.0 in load_models()["AK80-9"].alternatives("v3", "velocity_rad_s")


def test_a_name_without_data_asks_which() -> None:
    assert load_models()["AK60-9"].choices == ("AK60-6", "AK80-9")
    with pytest.raises(UnresolvedModelError) as caught:
        find_range("ak60-9", "v3")
    assert "Two data sets exist. Choose AK60-6 or AK80-9; the gear check decides." in str(caught.value)
    assert "commission --check gear" in str(caught.value)
    assert caught.value.choices == ("AK60-6", "AK80-9")


def test_one_motor_can_differ() -> None:
    row = find_range("AK60-6", "legacy", {"velocity_rad_s": 50.0, "temperature_offset_c": 0.0, "pole_pairs": 21})
    assert (row.velocity_rad_s, row.torque_nm, row.temperature_offset_c, row.pole_pairs) == (50.0, 15.0, 0.0, 21)
    assert row.source.endswith("set for this motor: pole_pairs, temperature_offset_c, velocity_rad_s")
    assert find_range("AK60-6").velocity_rad_s == 45.0


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"speed": 1.0}, "'speed' is no number"),
        ({"torque_nm": 0.0}, "above 0"),
        ({"torque_nm": float("nan")}, "finite"),
        ({"status_feedback": 0.5}, "allowed 0"),
        ({"status_feedback": 1.0}, "only firmware v3"),
    ],
)
def test_a_wrong_override_is_refused(overrides: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_range("AK60-6", "legacy", overrides)


def test_unknown_names_and_firmware_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'AK99-1' is unknown. Known: AK10-9"):
        find_range("AK99-1")
    with pytest.raises(ConfigError, match="no range row for firmware 'v3'"):
        find_range("AK80-64", "v3")


def test_electrical_speed() -> None:
    # 14 pole pairs x 6 = 84 electrical turns per output turn; 60 / (2 pi) rpm per rad/s
    assert find_range("AK60-6", "v3").erpm_per_rad_s == pytest.approx(84 * 60 / (2 * 3.141592653589793))
    assert find_range("AK40-10").erpm_per_rad_s is None


def test_a_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "motors"
    folder.mkdir()
    (folder / "x.toml").write_text('format_version = 1\nmodel = "X"\n[[ranges]]\nfirmware = "legacy"\ntorque_nm = 3\n')
    monkeypatch.setattr(module, "resources_dir", lambda: tmp_path)
    load_models.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"x.toml: ranges.legacy: needs firmware"):
            load_models()
        (folder / "x.toml").write_text('format_version = 1\nmodel = "X"\n[numbers]\ngear_ratio = 3\n')
        with pytest.raises(ConfigError, match="needs a value and its source"):
            load_models()
    finally:
        load_models.cache_clear()
