from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.cli.main import COMMANDS, main
from studio.cli.output import ProgressBar, format_range, time_left_range_s, write_result
from studio.cli.report import Report, Series, bar_chart, line_chart


def test_an_unknown_command_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: There is no command 'trian'")
    assert said.count("\n") == 1


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in COMMANDS)


def test_json_to_standard_output_is_alone_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_result({"episodes": 3}, "-")
    assert json.loads(capsys.readouterr().out) == {"episodes": 3}
    write_result({"episodes": 3}, str(tmp_path / "deep" / "result.json"))
    assert json.loads((tmp_path / "deep" / "result.json").read_text()) == {"episodes": 3}


def test_time_left_is_a_range_that_holds_both_paces() -> None:
    low_s, high_s = time_left_range_s([(0, 0), (10, 50), (30, 100)], 200) or (0.0, 0.0)
    assert low_s < 30 < 40 < high_s  # 100/30 per s overall, 50/20 per s lately
    assert time_left_range_s([(0, 0), (1, 0)], 10) is None
    assert format_range(300, 400) == "5 to 7 min"
    bar = ProgressBar("x", 10, quiet=True)
    assert bar.time_left() == "measuring"


def test_a_report_hides_no_failure(tmp_path: Path) -> None:
    report = Report("Tour", "short")
    report.failures(["the box was lost"])
    report.charts(
        [line_chart("Loss", "nats", [Series(name="a", points=[(0, 1), (1, 0.5)])]), bar_chart("Faces", "s", [])]
    )
    report.table(["goal", "result"], [["<1>", False]])
    text = report.to_html()
    assert "the box was lost" in text
    assert "&lt;1&gt;" in text
    assert "missed" in text
    assert "http" not in text.replace("http://www.w3.org", "")


WRONG = [["play", "--minutes", "x"], ["train", "haptic_play"], ["dataset"], ["evaluate", "--goals", "x"]]


@pytest.mark.parametrize("words", WRONG)
def test_wrong_options_are_one_clear_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "--help" in said
