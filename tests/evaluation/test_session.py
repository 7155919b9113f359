"""``livehand evaluate`` from end to end, on a capture whose truth is the avatar's own picture."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from livehand_core import cli
from livehand_core.avatars.metadata import read_metadata
from livehand_core.captures.capture import Capture, write_capture
from livehand_core.captures.light_part import CaptureLight
from livehand_core.errors import CaptureError, LiveHandError
from livehand_core.evaluation.document import details, metrics
from livehand_core.evaluation.evaluate import choose_frames, identity_of, render_frame
from livehand_core.evaluation.session import Session, Settings, check_fit, light_note
from livehand_core.evaluation.steadiness import orbited
from livehand_core.evaluation.suite import Suite
from livehand_core.evaluation.summary import ranked, text_table
from livehand_core.lights import Light
from livehand_core.poses import PoseSequence

PROTOCOLS = ("full_image", "hand_box", "published")


def test_an_avatar_against_itself(capture: Capture) -> None:
    """Rounding to 8 bits is all that is left: 10 log10(12 * 255^2) = 58.9 dB for errors that are spread evenly."""
    evaluation = Session(Settings("default", (capture.folder,), protocols=PROTOCOLS)).measure()
    assert evaluation.complete and [row.split for row in evaluation.rows].count("both") == 1
    assert {row.split for row in evaluation.rows} == {"both", "camera", "pose"}, "held out, by default"
    table = metrics(evaluation)
    assert table.keys() == set(PROTOCOLS)
    for name in ("full_image", "hand_box"):
        assert table[name]["psnr"] > 52.0 and table[name]["ssim"] > 0.995 and table[name]["ms_ssim"] > 0.995
    assert table["full_image"]["mask_iou"] > 0.995
    assert table["published"]["psnr"] == table["full_image"]["psnr"]


def test_other_poses_have_rows_of_their_own(capture: Capture, tmp_path: Path) -> None:
    """The file's poses are 4 mm off, those of the capture are true."""
    off = [replace(pose, transl=pose.transl + np.array([0.0, 0.004, 0.0])) for pose in capture.poses.poses]
    PoseSequence(tuple(off)).save(tmp_path / "refined_poses.npz")
    settings = Settings("default", (capture.folder,), splits=("pose",), protocols=("hand_box",), poses=tmp_path)
    evaluation = Session(settings).measure()
    plain, other = evaluation.rows, evaluation.refits["poses given"]
    assert [row.frame for row in other] == [row.frame for row in plain]
    assert all(a.values["hand_box/psnr"] > b.values["hand_box/psnr"] + 6.0 for a, b in zip(plain, other, strict=True))
    told = details(evaluation)["refits"]["poses given"]
    assert told["pose"]["frames"] == len(plain) and "none of their images" in told["meaning"]
    assert metrics(evaluation)["hand_box"]["psnr"] > 52.0, "the headline stays that of the capture's poses"
    lines = [line.split("  ")[1] for line in text_table(plain, evaluation.refits).splitlines() if "pose" in line]
    assert lines == ["pose", "pose, poses given"]
    PoseSequence(tuple(off[:2])).save(tmp_path / "refined_poses.npz")
    with pytest.raises(CaptureError, match="has 2 usable poses"):
        Session(settings)


def test_an_avatar_that_brings_its_light_along_is_said_to(capture: Capture) -> None:
    lit = read_metadata("default")
    network = replace(lit.architecture.super_resolution, out_channels=4)
    architecture = replace(lit.architecture, super_resolution=network, detail_size=0, detail_channels=0)
    own = replace(lit, light="as_trained", reference_light=None, architecture=architecture)
    frames = tuple(replace(frame, light=place % 2) for place, frame in enumerate(capture.frames))
    several = replace(capture, frames=frames, lights=(CaptureLight(Light.uniform((1.0, 1.0, 1.0))),) * 2)
    assert "brings its own light along" in light_note(several, own)
    assert not light_note(several, lit) and not light_note(capture, own)


def test_relighting_is_measured_by_kind_of_light(
    capture: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "lit"
    shutil.copytree(capture.folder, folder)
    lights = tuple(CaptureLight(Light.uniform((0.3, 0.3, 0.3)), kind) for kind in ("studio", "hdri", "hard sun"))
    frames = [replace(frame, light=0) for frame in capture.frames]
    (both,) = (frame for frame in frames if capture.split(frame) == "both")
    for number in (1, 2):
        image = f"images/lit{number}.png"
        shutil.copy(folder / both.image, folder / image)
        frames.append(replace(both, image=image, light=number))
    write_capture(
        replace(capture, folder=folder, frames=tuple(frames), lights=lights, held_out_lights=frozenset({1, 2}))
    )
    protocols = ("hand_box", "relight", "detail")
    evaluation = Session(Settings("default", (folder,), protocols=protocols)).measure()
    assert [row.split for row in evaluation.rows].count("relight") == 2
    table = metrics(evaluation)
    assert {"psnr", "ssim", "hdri_psnr", "hard_sun_psnr"} <= table["relight"].keys()
    assert table["relight"]["hdri_psnr"] == pytest.approx(table["hand_box"]["psnr"])
    # The images were taken in the avatar's own light, and it stands in another now.
    assert 0.3 < table["detail"]["energy_1_2"] < 1.1
    assert not any("brings its own light along" in note for note in evaluation.notes)
    assert set(details(evaluation)["by_light"]) == {"studio", "hdri", "hard sun"}
    out = tmp_path / "out"
    assert cli.main(["evaluate", "default", str(folder), "--protocols", "relight", "--out", str(out)]) == 0
    lines = [line.split()[:-2] for line in capsys.readouterr().out.splitlines()]
    assert ["relight", "2"] in lines and ["hdri", "1"] in lines and ["hard", "sun", "1"] in lines
    assert "new camera, pose and light" in (out / "report.html").read_text(encoding="utf-8")
    with pytest.raises(CaptureError, match="look at none of the splits"):
        Session(Settings("default", (capture.folder,), protocols=("relight",)))


def test_a_frames_light_and_exposure_reach_the_renderer(capture: Capture) -> None:
    asked: list[Any] = []
    renderer: Any = SimpleNamespace(render=asked.append)
    lit = replace(capture, lights=(CaptureLight(Light.uniform((0.3, 0.2, 0.1)), "studio"),))
    render_frame(renderer, "default", lit, replace(capture.frames[0], light=0, exposure=1.0))
    render_frame(renderer, "default", lit, capture.frames[0])
    np.testing.assert_allclose(asked[0].light.ambient(np.zeros(3)), [0.6, 0.4, 0.2])
    assert asked[1].light is None


def test_a_hand_of_a_few_pixels_is_named_and_the_rest_measured(
    capture: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(capture.folder, folder)
    small = capture.frames_of("both")[0].image
    image = np.array(Image.open(folder / small))
    image[..., 3] = 0
    image[80:86, 80:86] = 255
    Image.fromarray(image).save(folder / small)
    evaluation = Session(Settings("default", (folder,), protocols=PROTOCOLS)).measure()
    assert evaluation.complete and len(evaluation.rows) == evaluation.planned - 1
    assert [problem.place for problem in evaluation.unmeasured] == [small]
    assert details(evaluation)["unmeasured"] == [evaluation.unmeasured[0]._asdict()]
    out = str(tmp_path / "out")
    assert cli.main(["evaluate", "default", str(folder), "--protocols", "hand_box", "--out", out]) == 0
    assert f"not measured: {small}: An image shows no hand to measure" in capsys.readouterr().err

    only = Session(Settings("default", (folder,), splits=("both",), protocols=("hand_box",)))
    with pytest.raises(CaptureError, match=f"None of the 1 frames could be measured.*{small}"):
        only.measure()


def test_fast_mode_loses_little(capture: Capture) -> None:
    """Truth is fast mode's own picture: exact mode differs from it by what fast mode loses."""
    settings = Settings("default", (capture.folder,), precision="exact", protocols=("hand_box",))
    assert metrics(Session(settings).measure())["hand_box"]["psnr"] > 40.0


def test_the_worst_frame_is_found(spoilt: Capture) -> None:
    session = Session(Settings("default", (spoilt.folder,), splits=("train",), protocols=PROTOCOLS))
    evaluation = session.measure()
    worst, second = ranked(evaluation.rows)[:2]
    assert worst.frame.image == "images/pose1/cam0.png" and second.values["hand_box/psnr"] > 50.0
    image = spoilt.image(worst.frame)
    share = float(np.mean(image[..., 3] ** 2))
    # An error of 0.1 where the hand is: the squared error is a hundredth of the mean squared opacity.
    assert worst.values["full_image/psnr"] == pytest.approx(20.0 - 10.0 * np.log10(share), abs=0.3)
    pictures = session.pictures(evaluation, {"worst": 2, "median": 1, "best": 9})
    assert pictures["worst"][0].row is worst and len(pictures["best"]) == 4
    triple = pictures["worst"][0]
    assert triple.truth.shape == triple.render.shape == triple.difference.shape
    inside = triple.truth.min(axis=-1) > 60
    assert np.abs(triple.difference[inside].astype(float).mean() - 4 * 25.5) < 6.0
    document = details(evaluation)
    assert (
        document["by_pose"]["pose 1"]["mean"]["hand_box"]["psnr"]
        < document["by_pose"]["pose 0"]["mean"]["hand_box"]["psnr"]
    )
    assert document["by_camera"].keys() == {"cam0", "cam1"} and document["by_split"]["train"]["frames"] == 4
    assert document["by_split"]["train"]["worst"]["hand_box"]["psnr"] == worst.values["hand_box/psnr"]


def test_any_first_part_of_the_frames_is_a_fair_sample(capture: Capture) -> None:
    frames = choose_frames(capture, ("train", "both", "camera"))
    assert [capture.split(frame) for frame in frames] == ["both"] + ["camera"] * 2 + ["train"] * 4
    assert frames == choose_frames(capture, ("camera", "train", "both")), "the same ones each time"
    assert len(choose_frames(capture, ("train", "both"), limit=2)) == 3
    assert {frame.camera_name for frame in choose_frames(capture, ("train",), limit=2)} == {"cam0", "cam1"}


class Links(HTMLParser):
    """What a page refers to, and which tags it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in ("meta", "img", "br", "line", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "circle"):
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def results(spoilt: Capture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    arguments = ["evaluate", "default", str(spoilt.folder), "--splits", "train", "both", "--out", str(folder)]
    assert cli.main(arguments) == 0
    return folder


def test_json_is_protocol_metric_value(results: Path) -> None:
    document = json.loads((results / "metrics.json").read_text())
    assert document.keys() == {*PROTOCOLS, "detail", "temporal"}
    for values in document.values():
        assert values and all(isinstance(value, float) for value in values.values())
    assert document["temporal"].keys() >= {"orbit_flicker", "pose_flicker"}


def test_details_hold_what_is_needed_to_repeat_it(results: Path, spoilt: Capture) -> None:
    document = json.loads((results / "metrics.details.json").read_text())
    assert document["complete"] is True and document["headline"] == {"split": "both", "frames": 1}
    assert len(document["frames"]) == 5 and document["by_split"].keys() == {"both", "train"}
    record = document["reproduce"]
    assert record["command"].startswith("livehand evaluate default ") and "--splits train both" in record["command"]
    assert len(record["avatar"]["sha256"]) == 64 and {
        len(digest) for digest in record["capture"]["sha256"].values()
    } == {64}
    assert record["settings"]["precision"] == "fast" and record["settings"]["device"] == "cpu"
    assert record["packages"]["scikit-image"] and record["machine"]["torch"]


def test_the_report_stands_alone(results: Path) -> None:
    text = (results / "report.html").read_text()
    page = Links()
    page.feed(text)
    assert not page.open and "script" not in page.tags and "link" not in page.tags
    assert page.links and all(link.startswith("data:image/webp;base64,") for link in page.links)
    assert "url(" not in text and "@import" not in text
    for wanted in (
        "prefers-color-scheme: dark",
        "CC0-1.0",
        'class="worst"',
        "By pose",
        "By camera",
        "new camera and pose",
    ):
        assert wanted in text, wanted
    assert "Partial" not in text
    drawn = [float(value) for value in re.findall(r'c[xy]="([-\d.]+)"', text)]
    assert min(drawn) >= 0.0 and max(drawn) <= 720.0


def test_contact_sheets(results: Path) -> None:
    for name in ("worst.png", "median.png"):
        with Image.open(results / name) as sheet:
            assert sheet.width > 300 and np.asarray(sheet).std() > 10.0


def test_interrupted_it_leaves_a_partial_report(
    capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measure, calls = Suite.measure, []

    def interrupted(self: Suite, *pictures: np.ndarray) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return measure(self, *pictures)

    monkeypatch.setattr(Suite, "measure", interrupted)
    assert cli.main(["evaluate", "default", str(capture.folder), "--out", str(tmp_path)]) == 130
    assert "Partial: stopped after 3 of 5 images" in (tmp_path / "report.html").read_text()
    document = json.loads((tmp_path / "metrics.details.json").read_text())
    assert document["complete"] is False and len(document["frames"]) == 3 and document["temporal"] == {}
    assert "stopped after 3 of 5" in capsys.readouterr().err


def run_json(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert cli.main(["evaluate", *arguments, "--no-report", "--json", "--protocols", "hand_box"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_alone_on_standard_output(
    capture: Capture, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_json(["default", str(capture.folder), "--limit", "1"], capsys).keys() == {"hand_box"}
    assert not list(tmp_path.iterdir()), "nothing is written that was not asked for"


@pytest.fixture
def copy(capture: Capture, tmp_path: Path) -> Callable[[], Capture]:
    def make() -> Capture:
        shutil.copytree(capture.folder, tmp_path / "copy")
        return replace(capture, folder=tmp_path / "copy")

    return make


def test_bad_images_are_listed_or_left_out(copy: Callable[[], Capture], capsys: pytest.CaptureFixture[str]) -> None:
    capture = copy()
    bad = capture.frames_of("pose")[0]
    capture.path(bad).write_bytes(b"no image")
    assert cli.main(["evaluate", "default", str(capture.folder)]) == 2
    assert bad.image in capsys.readouterr().err
    run_json(["default", str(capture.folder), "--skip-bad"], capsys)
    evaluation = Session(Settings("default", (capture.folder,), skip_bad=True, protocols=("hand_box",))).measure()
    assert [problem.place for problem in evaluation.problems] == [bad.image] and len(evaluation.rows) == 4


def test_nothing_held_out_means_all_were_trained_on(copy: Callable[[], Capture]) -> None:
    capture = replace(copy(), held_out_cameras=frozenset(), held_out_poses=frozenset())
    write_capture(capture)
    assert Session(Settings("default", (capture.folder,))).settings.splits == ("train",)
    with pytest.raises(CaptureError, match="no frames of these splits"):
        Session(Settings("default", (capture.folder,), splits=("both",)))


def test_films_alone_are_no_evaluation(capture: Capture) -> None:
    with pytest.raises(LiveHandError, match="None of the chosen protocols"):
        Session(Settings("default", (capture.folder,), protocols=("temporal",)))


def test_another_hand_model(copy: Callable[[], Capture]) -> None:
    capture = replace(copy(), hand_model="mano")
    write_capture(capture)
    with pytest.raises(CaptureError, match="hand model"):
        Session(Settings("default", (capture.folder,)))


def test_several_captures_are_told_apart(capture: Capture, copy: Callable[[], Capture]) -> None:
    other = copy()
    settings = Settings("default", (capture.folder, other.folder), ("young", "old"), protocols=("hand_box",))
    document = details(Session(settings).measure())
    assert {name: table["frames"] for name, table in document["by_identity"].items()} == {"old": 5, "young": 5}
    assert len(document["reproduce"]["capture"]["sha256"]) == 4
    assert {frame["camera"].rpartition("/")[2] for frame in document["frames"]} == {"cam0", "cam1", "cam2"}


def test_an_avatar_of_several_people_asks_whose_hand_it_is(capture: Capture) -> None:
    people = [SimpleNamespace(name=name) for name in ("Ada", "Bo")]
    avatar = SimpleNamespace(name="two", hand_model=capture.hand_model, identities=people)
    silent = replace(capture, frames=tuple(replace(frame, identity="") for frame in capture.frames))
    with pytest.raises(CaptureError, match="does not tell whose hand"):
        check_fit(avatar, silent)  # type: ignore[arg-type]
    named = replace(capture, frames=tuple(replace(frame, identity="Bo") for frame in capture.frames))
    check_fit(avatar, named)  # type: ignore[arg-type]
    assert identity_of(named.frames[0], avatar) == "Bo"  # type: ignore[arg-type]
    stranger = replace(capture, frames=(replace(capture.frames[0], identity="Cy"),))
    with pytest.raises(CaptureError, match=r"shows 'Cy'.*Ada, Bo"):
        check_fit(avatar, stranger)  # type: ignore[arg-type]
    avatar.identities = people[:1]
    check_fit(avatar, stranger)  # type: ignore[arg-type]
    assert identity_of(stranger.frames[0], avatar) == 0, "an avatar of one person shows that one"  # type: ignore[arg-type]


def test_an_orbit_keeps_its_middle(capture: Capture) -> None:
    camera, middle = capture.frames[0].camera, np.array([-0.08, 0.01, 0.0])
    turned = orbited(camera, middle, 0.2)
    before, after = camera.project(middle), turned.project(middle)
    np.testing.assert_allclose(before[0], after[0], atol=1e-9)
    assert before[1] == pytest.approx(after[1]) and not np.allclose(camera.camera_to_world, turned.camera_to_world)
    np.testing.assert_allclose(camera.camera_to_world[:3, 1], turned.camera_to_world[:3, 1], atol=1e-9)
