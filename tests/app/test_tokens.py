"""The numbers that the token file promises: contrast, and colours that stay apart for every eye."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from studio.app.tokens import Tokens, contrast, load_tokens, mix, ramp
from studio.core.errors import ConfigError
from studio.core.paths import resources_dir

TOKENS = load_tokens()
THEMES = TOKENS.themes
BACKGROUNDS = [f"bg.{n}" for n in range(5)]
# Machado et al. 2009, severity 1.0, on linear RGB
VISION = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def text_pairs(colours: dict[str, str]) -> list[tuple[str, str]]:
    """Every (ink, ground) that carries words."""

    def group(name: str) -> list[str]:
        return [key for key in colours if key.startswith(name + ".")]

    pairs = list(itertools.product([*group("text"), "accent.text"], BACKGROUNDS))
    pairs += list(itertools.product([*group("state"), *group("verdict"), *group("side")], BACKGROUNDS[:4]))
    pairs += [(ink, soft) for soft in group("soft") for ink in ("text.1", "text.2", soft.replace("soft", "state"))]
    pairs += [(ink, "accent.soft") for ink in ("text.1", "text.2", "text.3", "accent.text")]
    pairs += list(itertools.product(group("axis"), BACKGROUNDS[:2]))
    return [*pairs, ("accent.on", "accent.solid"), ("stop.on", "stop.fill")]


@pytest.mark.parametrize("theme", THEMES)
def test_words_are_readable(theme: str) -> None:
    colours, promised = TOKENS.colours(theme), TOKENS.data["check"][theme]
    pairs = text_pairs(colours)
    ratios = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    worst = min(ratios, key=lambda pair: ratios[pair])
    assert len(pairs) == promised["text_pairs"]
    assert ratios[worst] >= 4.5, worst
    assert ratios[worst] == pytest.approx(promised["text_contrast_min"], abs=0.006), worst


@pytest.mark.parametrize("theme", THEMES)
def test_graphics_can_be_seen(theme: str) -> None:
    colours = TOKENS.colours(theme)
    pairs = [*itertools.product(["line.3", "accent.line"], BACKGROUNDS[:4])]
    pairs += [*itertools.product([f"cat.{n}" for n in range(1, 9)], BACKGROUNDS[:2])]
    worst = min(contrast(colours[a], colours[b]) for a, b in pairs)
    assert worst == pytest.approx(TOKENS.data["check"][theme]["graphic_contrast_min"], abs=0.006)
    assert worst >= 3.0


@pytest.mark.parametrize("theme", THEMES)
def test_labels_keep_their_words_readable(theme: str) -> None:
    for opacity in ("label", "label_selected", "machine_lane"):
        for number in range(1, 9):
            ground = mix(
                TOKENS.hex(theme, "bg.0"), TOKENS.hex(theme, f"cat.{number}"), TOKENS.number(f"fill.{opacity}")
            )
            assert contrast(TOKENS.hex(theme, "text.1"), ground) >= 5.0


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("group", "promise"), [("cat", "categorical"), ("state", "state"), ("side", "leader_follower")]
)
def test_colours_stay_apart(theme: str, group: str, promise: str, vision: str) -> None:
    colours = [c for key, c in TOKENS.colours(theme).items() if key.startswith(group + ".")]
    least = min(difference(a, b, VISION[vision]) for a, b in itertools.combinations(colours, 2))
    assert least == pytest.approx(TOKENS.data["check"][theme][f"{promise}_de2000_min"][vision], abs=0.06)


def test_both_themes_have_the_same_keys() -> None:
    first, second = (set(TOKENS.colours(name)) for name in THEMES)
    assert first == second


def test_arrow_files_take_their_colour_from_the_tokens() -> None:
    for theme in THEMES:
        chevron = (resources_dir() / "icons" / f"chevron-{theme}.svg").read_text()
        check = (resources_dir() / "icons" / f"check-{theme}.svg").read_text()
        assert TOKENS.hex(theme, "text.2") in chevron
        assert TOKENS.hex(theme, "bg.0") in check


def test_unknown_key_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"'dark\.bg\.7' does not exist.*0, 1, 2, 3, 4") as caught:
        TOKENS.number("dark.bg.7")
    assert "dark" in str(caught.value)
    with pytest.raises(ConfigError):
        Tokens({"meta": {}}).type("value")


def test_ramp_passes_its_three_colours() -> None:
    assert ramp(TOKENS, "dark", 0.0) == TOKENS.hex("dark", "ramp.far")
    assert ramp(TOKENS, "dark", 0.5) == TOKENS.hex("dark", "ramp.mid")
    assert ramp(TOKENS, "dark", 2.0) == TOKENS.hex("dark", "ramp.near")


def test_fonts_ship_with_their_licences() -> None:
    folder = resources_dir() / "fonts"
    names = {path.name for path in Path(folder).iterdir()}
    assert {"Inter-OFL.txt", "JetBrainsMono-OFL.txt"} <= names
    assert {f"Inter-{w}.otf" for w in ("Regular", "Medium", "SemiBold", "Bold")} <= names
    assert "SIL OPEN FONT LICENSE Version 1.1" in (folder / "Inter-OFL.txt").read_text()


# CIEDE2000 (Sharma, Wu, Dalal 2005) of sRGB colours seen through a vision matrix


def difference(first: str, second: str, vision: np.ndarray) -> float:
    return _ciede2000(_lab(first, vision), _lab(second, vision))


def _lab(colour: str, vision: np.ndarray) -> tuple[float, float, float]:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(vision @ linear, 0, 1)
    matrix = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    ratio = matrix @ seen / np.array([0.95047, 1.0, 1.08883])
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def _ciede2000(first: tuple[float, float, float], second: tuple[float, float, float]) -> float:
    (l1, a1, b1), (l2, a2, b2) = first, second
    mean_chroma = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean_chroma**7 / (mean_chroma**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = math.degrees(math.atan2(b1, a1)) % 360, math.degrees(math.atan2(b2, a2)) % 360
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn) / 2)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    mean_h = (h1 + h2) if c1 * c2 == 0 else (h1 + turn / 2) % 360
    t = (1 - 0.17 * math.cos(math.radians(mean_h - 30)) + 0.24 * math.cos(math.radians(2 * mean_h))
         + 0.32 * math.cos(math.radians(3 * mean_h + 6)) - 0.20 * math.cos(math.radians(4 * mean_h - 63)))  # fmt: skip
    sl = 1 + 0.015 * (mean_l - 50) ** 2 / math.sqrt(20 + (mean_l - 50) ** 2)
    sc, sh = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    rotation = (
        -math.sin(math.radians(60 * math.exp(-(((mean_h - 275) / 25) ** 2))))
        * 2
        * math.sqrt(mean_c**7 / (mean_c**7 + 25**7))
    )
    dl, dc, dh = (l2 - l1) / sl, (c2 - c1) / sc, dh / sh
    return math.sqrt(dl**2 + dc**2 + dh**2 + rotation * dc * dh)
