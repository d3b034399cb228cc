"""Episodes: what is written comes back; what is broken says so."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from studio.core.errors import DataError
from studio.core.paths import repository_root
from studio.data.episode import EpisodeReader, EpisodeWriter
from studio.data.episode_info import load_episode_info
from studio.data.mcap_file import McapWriter
from studio.data.verify import verify_episode
from studio.data.video_encoder import GROUP_OF_PICTURES, FrameEncoder
from tests.data.recordings import CONTROL, EVERY_KIND, POSE, QUICK, make_play, play_records, random_records


def _picture(index: int) -> np.ndarray:
    """A picture that tells its number: a bright bar moves right."""
    image = np.full((96, 128, 3), 40, dtype=np.uint8)
    image[:, index % 16 * 8 : index % 16 * 8 + 8] = (240, 200, 60)
    return image


def test_every_field_of_every_stream_comes_back(tmp_path: Path) -> None:
    streams = {"every_kind": random_records(EVERY_KIND, 500), "control": random_records(CONTROL, 300)}
    writer = EpisodeWriter(tmp_path / "s" / "episode_000001", [EVERY_KIND, CONTROL], {"robot": "r"}, settings=QUICK)
    for name, records in streams.items():
        writer.write(name, records[0])  # one record
        writer.write(name, records[1:2])  # a block of one
        writer.write(name, records[2:])
    info = writer.close("test")
    reader = EpisodeReader(info.path)
    assert reader.record_types == {"every_kind": EVERY_KIND, "control": CONTROL}
    for name, records in streams.items():
        assert reader.read(name).tobytes() == records.tobytes()
    assert reader.content == info.content
    reader.close()
    assert load_episode_info(info.path) == info
    assert (info.state, info.robot, info.close_reason, info.streams["control"].records) == ("closed", "r", "test", 300)
    assert info.clock["kind"] == "wall" and info.clock["unix_ns"] > 1e18 and info.config == {"robot": "r"}


def test_gaps_drops_and_lateness_make_the_verdict(tmp_path: Path) -> None:
    control, _ = play_records(2000)
    keep = np.ones(2000, dtype=bool)
    keep[700:704] = False
    writer = EpisodeWriter(tmp_path / "s" / "e", [CONTROL], {}, settings=QUICK)
    writer.write("control", control[keep])
    info = writer.close()
    assert (info.verdict, info.streams["control"].gaps) == ("fair", 1) and "1 gaps" in info.verdict_reason

    writer = EpisodeWriter(tmp_path / "s" / "f", [CONTROL], {}, settings=QUICK)
    writer.write("control", control)
    writer.note_dropped("control", 50)
    info = writer.close()
    assert (info.verdict, info.dropped) == ("poor", 50) and "50 records of control dropped" in info.verdict_reason

    control["lateness_s"] = 0.0015
    writer = EpisodeWriter(tmp_path / "s" / "g", [CONTROL], {}, settings=QUICK)
    writer.write("control", control)
    info = writer.close()
    assert info.verdict == "fair" and info.lateness_us["p50"] == pytest.approx(1500, abs=1)

    assert EpisodeWriter(tmp_path / "s" / "h", [CONTROL], {}, settings=QUICK).close().verdict == "poor"

    writer = EpisodeWriter(tmp_path / "s" / "i", [CONTROL], {"cameras": {"top": {"rate_hz": 30.0}}}, settings=QUICK)
    control["lateness_s"] = 0
    writer.write("control", control)
    for index in range(10):
        writer.write_frame("top", index * 100_000_000, 0, b"\0\0\1\x65", True)
    info = writer.close()
    assert (info.verdict, info.verdict_reason) == ("fair", "camera top at 10 of 30 Hz")


def test_an_open_episode_can_be_read_up_to_its_last_chunk(tmp_path: Path) -> None:
    control, _ = play_records(1000)
    writer = EpisodeWriter(tmp_path / "s" / "e", [CONTROL], {}, settings=QUICK)
    writer.write("control", control)
    reader = EpisodeReader(tmp_path / "s" / "e")
    assert reader.info.state == "recording"
    assert reader.read("control").tobytes() == control.tobytes()
    reader.close()
    writer.close()


def test_pictures_come_back_in_any_order(tmp_path: Path) -> None:
    encoder = FrameEncoder(128, 96, 30.0)
    cameras = {"top": {"width_px": 128, "height_px": 96, "rate_hz": 30.0}}
    writer = EpisodeWriter(tmp_path / "s" / "e", [CONTROL], {"cameras": cameras}, settings=QUICK)
    writer.write_frame("top", 0, 0, b"\0\0\1\x41", False)  # cannot be decoded: counted, not kept
    times = [1000 + 33_333_333 * i for i in range(40)]
    for index, t_ns in enumerate(times):
        (packet,) = encoder.encode(t_ns, t_ns + 5_000_000, _picture(index))
        assert packet.keyframe == (index % GROUP_OF_PICTURES == 0)
        writer.write_frame("top", packet.t_ns, packet.receive_t_ns, packet.data, packet.keyframe)
    info = writer.close()
    assert info.cameras["top"].frames == 40 and info.cameras["top"].width_px == 128
    assert (info.cameras["top"].measured_hz, info.cameras["top"].dropped) == (30.0, 1)
    reader = EpisodeReader(info.path)
    assert reader.cameras == ("top",) and reader.frame_times_ns("top").tolist() == times
    for index in (0, 1, 39, 20, 19, 21, 5, 5, 38):
        image = reader.frame("top", index).astype(int)
        assert image.shape == (96, 128, 3)
        columns = image[:, :, 0].mean(axis=0).reshape(16, 8).mean(axis=1)
        assert int(np.argmax(columns)) == index % 16
        assert np.abs(image - _picture(index)).mean() < 12
    with pytest.raises(DataError, match="frame 40 does not exist"):
        reader.frame("top", 40)
    with pytest.raises(DataError, match="no camera left"):
        reader.frame_times_ns("left")
    reader.close()


def test_foxglove_reads_the_pictures(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "s" / "e", [CONTROL], {}, settings=QUICK)
    packets = [FrameEncoder(64, 64, 30.0).encode(5_000_000_007, 5_100_000_000, np.zeros((64, 64, 3), np.uint8))[0]]
    writer.write_frame("top", packets[0].t_ns, packets[0].receive_t_ns, packets[0].data, True)
    path = writer.close().path / "cam_top.mcap"
    reader = make_reader(io.BytesIO(path.read_bytes()), validate_crcs=True, decoder_factories=[DecoderFactory()])
    ((schema, channel, message, picture),) = list(reader.iter_decoded_messages())
    assert schema is not None and schema.name == "foxglove.CompressedVideo" and channel.topic == "camera.top"
    assert (message.publish_time, message.log_time) == (5_000_000_007, 5_100_000_000)  # captured, received
    assert (picture.timestamp.seconds, picture.timestamp.nanos) == (5, 7)
    assert (picture.format, picture.frame_id, picture.data) == ("h264", "top", packets[0].data)


def _flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x20]) + data[position + 1 :]


def test_foreign_broken_and_missing_files_are_data_errors(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", episodes=1, ticks=100)
    folder = dataset.episodes()[0].path
    control, facts = folder / "control.mcap", folder / "episode.json"
    whole, told = control.read_bytes(), facts.read_text()

    for content, words in ((b"", "empty"), (b"RIFF" * 50, "not an MCAP file"), (None, "missing")):
        control.unlink()
        if content is not None:
            control.write_bytes(content)
        with pytest.raises(DataError, match=words):
            EpisodeReader(folder)
        if content is None:
            control.write_bytes(whole)

    control.write_bytes(_flipped(whole, whole.index(b"lz4") + 60))
    reader = EpisodeReader(folder)
    with pytest.raises(DataError, match="repair"):
        [reader.read(stream) for stream in ("control", "object_pose.world")]
    reader.close()
    control.write_bytes(whole)

    version_9 = json.dumps({**json.loads(told), "format_version": 9})
    for position in range(8, len(whole), len(whole) // 60):  # every byte counts
        control.write_bytes(_flipped(whole, position))
        assert verify_episode(folder), position
    control.write_bytes(whole)
    assert verify_episode(folder) == []

    cases = (
        ("", "empty"),
        (told[:50], "cut off"),
        ("[1]", "not a description of an episode"),
        ("{}", "format_version"),
        (version_9, "reads 1"),
        (told.replace('"closed"', '"open"'), "state is 'open'"),
        (None, "missing"),
    )
    for text, words in cases:
        facts.unlink()
        if text is not None:
            facts.write_text(text)
        with pytest.raises(DataError, match=words):
            EpisodeReader(folder)
        if text is None:
            facts.write_text(told)


def test_a_recording_of_something_else_is_refused(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", episodes=1, ticks=100)
    folder = dataset.episodes()[0].path
    (folder / "control.mcap").unlink()
    writer = McapWriter(folder / "control.mcap")
    writer.add_channel("/tf", "foxglove.FrameTransform", b"", {})
    writer.close()
    with pytest.raises(DataError, match=r"not recorded by this studio.*dataset import"):
        EpisodeReader(folder)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", episodes=1, ticks=100)
    with pytest.raises(DataError, match="never overwritten"):
        EpisodeWriter(dataset.episodes()[0].path, [CONTROL], {})


def test_an_unknown_stream_is_named(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "s" / "e", [CONTROL], {}, settings=QUICK)
    with pytest.raises(DataError, match=r"no stream object_pose\.world\. It has control"):
        writer.write("object_pose.world", POSE.empty(1))
    writer.add_stream(POSE)
    writer.write("object_pose.world", POSE.empty(1))
    assert writer.close().streams["object_pose.world"].records == 1


_FILL = """
import resource, subprocess, sys
from pathlib import Path
from studio.data.disk import DiskFullError
from studio.data.episode import EpisodeWriter
from studio.data.stream_writer import WriterSettings
from tests.data.recordings import CONTROL, POSE, play_records
place, kind = Path(sys.argv[1]), sys.argv[2]
if kind == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
else:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=True)
folder = place / "s" / "episode_000001"
writer = EpisodeWriter(folder, [CONTROL, POSE], {}, settings=WriterSettings(reserve_bytes=65536))
control, pose = play_records(12_000)
try:
    for start in range(0, 12_000, 50):
        writer.write("control", control[start : start + 50])
        writer.write("object_pose.world", pose[start : start + 50])
except DiskFullError as error:
    print(error)
info = writer.close("disk full")
if kind == "tmpfs":
    subprocess.run(["cp", "-r", str(place), str(place) + "_kept"], check=True)
print(start, info.streams["control"].records)
"""


@pytest.mark.parametrize("kind", ["limit", "tmpfs"])
def test_a_full_disk_ends_the_episode_and_keeps_what_is_there(tmp_path: Path, kind: str) -> None:
    """Really full: a file size limit of the kernel, and a small disk in a mount namespace of its own."""
    place = tmp_path / "disk"
    command = [sys.executable, "-c", _FILL, str(place), kind]
    if kind == "tmpfs":
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
            pytest.skip("this kernel lets us mount nothing")
        command = ["unshare", "-rm", *command]
    done = subprocess.run(command, cwd=repository_root(), capture_output=True, text=True, check=True)
    assert "the disk is full" in done.stdout
    written, kept = (int(word) for word in done.stdout.split()[-2:])
    assert 500 < written < 11_900 and written - 200 <= kept <= written + 50
    folder = (tmp_path / ("disk_kept" if kind == "tmpfs" else "disk")) / "s" / "episode_000001"
    reader = EpisodeReader(folder)
    assert reader.info.state == "closed" and reader.info.close_reason == "disk full"
    assert reader.read("control").tobytes() == play_records(12_000)[0][:kept].tobytes()
    reader.close()
    assert verify_episode(folder) == []
