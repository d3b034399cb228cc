import dataclasses

import pytest

from plugins.training.curves import choose, log_lines, make_plots, stage_words, stages, steps_per_second
from plugins.training.form import check, make_fields, make_settings, problems, stage_marks
from plugins.training.panel_progress import next_stage
from studio.app.api import RunView
from studio.core.config import apply_settings
from studio.methods.haptic_play.config import HapticPlayConfig, make_paper
from studio.methods.table import METHODS


def leaves(config: object) -> int:
    return sum(
        leaves(value) if dataclasses.is_dataclass(value) else 1
        for value in (getattr(config, entry.name) for entry in dataclasses.fields(config))
    )


@pytest.mark.parametrize("config", [HapticPlayConfig(), make_paper()])
def test_every_setting_is_in_the_form_and_reads_back_the_same(config: HapticPlayConfig) -> None:
    fields = make_fields(config)
    assert len(fields) == leaves(config)
    again = apply_settings(config, [f"{field.path}={field.text}" for field in fields])
    assert again == config


def test_units_help_and_choices_come_from_the_configuration() -> None:
    fields = {field.path: field for field in make_fields(HapticPlayConfig())}
    assert fields["rate_hz"].unit == "Hz" and fields["window_ticks"].unit == "ticks"
    assert fields["position_noise_rad"].unit == "rad" and fields["stage_1.seconds"].unit == "s"
    assert "KL" in fields["beta"].help and "memoryless" in fields["policy_ticks"].help
    assert fields["policy"].choices == ("mlp", "gru") and fields["mirror"].kind == "bool"
    assert fields["stage_1.steps"].group == "Stage 1"


def test_only_what_was_changed_is_set() -> None:
    config = HapticPlayConfig()
    texts = {field.path: field.text for field in make_fields(config)}
    assert make_settings(config, texts) == []
    texts |= {"window_ticks": "30", "stage_1.batch": "64"}
    settings = make_settings(config, texts)
    changed, problem = check(config, settings)
    assert sorted(settings) == ["stage_1.batch=64", "window_ticks=30"] and problem == ""
    assert changed.window_ticks == 30 and changed.stage_1.batch == 64


@pytest.mark.parametrize(
    ("path", "text", "word"),
    [
        ("window_ticks", "1", "2 to 1000"),
        ("beta", "much", "float"),
        ("policy", "lstm", "gru"),
        ("rate_hz", "", "float"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(path: str, text: str, word: str) -> None:
    config = HapticPlayConfig()
    texts = {field.path: field.text for field in make_fields(config)} | {path: text}
    found = problems(config, texts)
    assert list(found) == [path] and word in found[path]


ROWS = [
    {"step": 100, "t_s": 1.0, "stage": "skills", "loss": 4.0, "action": 2.0, "goal": 1.0, "kl": 0.5},
    {"step": 150, "t_s": 2.0, "stage": "skills", "held_out/loss": 4.1, "held_out/action": 2.2, "held_out/kl": 0.4},
    {"step": 300, "t_s": 3.0, "stage": "skills", "loss": 2.0, "action": 1.0, "goal": 0.6, "kl": 0.9},
    {"step": 300, "t_s": 3.0, "stage": "skills", "held_out/loss": 2.3, "held_out/action": 1.2, "held_out/kl": 0.8},
    {"step": 400, "t_s": 5.0, "stage": "flow", "loss": 9.0, "nll_flow": 9.0, "nll_gaussian": 10.0},
]


def test_plots_follow_what_the_method_reports() -> None:
    assert stages(ROWS) == ["skills", "flow"]
    assert choose(ROWS, "skills") == ["loss", "action", "kl", "goal"]
    plots = make_plots(ROWS, ROWS[:2], "skills")
    assert plots[0].title == "Total loss" and plots[0].held_out.values == (4.1, 2.3)
    assert plots[0].training.steps == (100.0, 300.0) and plots[0].reference.values == (4.1,)
    assert plots[3].held_out.values == ()  # goal is not measured on held-out data here
    filled = make_plots(ROWS, [], "flow", [ROWS])
    assert [p.name for p in filled] == ["loss", "nll_flow", "nll_gaussian", "loss"]
    assert filled[3].stage == "skills" and filled[3].hint.endswith("· skills")  # four plots, whatever the stage reports
    assert filled[3].others[0].values == filled[3].held_out.values


def test_a_foreign_metric_still_gets_a_plot_and_a_unit() -> None:
    rows = [{"step": 1, "t_s": 0.1, "stage": "x", "held_out/wobble_mm": 3.0}]
    plot = make_plots(rows, [], "x")[0]
    assert (plot.title, plot.hint) == ("Wobble", "mm") and plot.held_out.values == (3.0,)


def test_rate_and_log() -> None:
    assert steps_per_second(ROWS) == pytest.approx(75.0)
    lines = [text for _, text in log_lines(ROWS, 1000.0)]
    assert lines == ["Stage 1: skills.", "First held-out total loss: 4.1.", "Best so far on held-out total loss: 2.3.",
                     "Stage 2: likely skills."]  # fmt: skip


def test_stages_of_rounds_have_words() -> None:
    assert stage_words("value") == "worth of a state"
    assert stage_words("round 2 value") == "round 2, worth of a state"
    assert stage_words("round 3 single skills") == "round 3, single skills"


@pytest.mark.parametrize(
    ("stage", "step", "following"),
    [
        ("skills", 10, "single skills"),
        ("single skills", 50, "chains of skills"),  # it took longer than its share: the bar is past where chains began
        ("chains", 50, "likely skills"),
        ("flow", 70, "worth of a state"),
        ("value", 90, ""),
    ],
)
def test_the_next_stage_follows_from_the_one_that_runs(stage: str, step: int, following: str) -> None:
    view = RunView(
        id="r", kind="train", title="", path="", created_s=0.0, state="running", stage=stage, step=step, steps=100
    )
    assert next_stage(stage_marks(METHODS["haptic_play"].make_config("small")), view) == following
