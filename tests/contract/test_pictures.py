"""Pictures for the repository: few bytes, and still the same picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from cfm.cli.pictures import LARGEST, make_small, shown


def test_the_readme_and_the_manual_are_read_for_what_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("results/reference/quick")
    assert shown(folder) == set()
    Path("README.md").write_text(f"![a]({folder}/toy2d/figures/a.png) [t]({folder}/toy2d/tables/t.md)\n")
    Path("docs").mkdir()
    (Path("docs") / "page.md").write_text(
        f"![b](../{folder}/toy2d/figures/b_c.gif) ![c](../results/reference/paper/d/f.png)"
    )
    assert shown(folder) == {folder / "toy2d/figures/a.png", folder / "toy2d/figures/b_c.gif"}


def _noise(width: int, height: int, seed: int) -> Image.Image:
    """Noise of many greys between a white left half and a black right edge."""
    pixels = np.random.default_rng(seed).integers(60, 200, (height, width, 1), dtype=np.uint8).repeat(3, axis=2)
    pixels[:, : width // 2] = 255
    pixels[:, -20:] = 0
    return Image.fromarray(pixels)


def test_a_wide_picture_gets_as_wide_as_a_page_and_small(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    _noise(2200, 2000, 0).save(path)
    assert path.stat().st_size > 3 * LARGEST
    make_small(path, path)
    with Image.open(path) as image:
        found = np.asarray(image.convert("RGB"))
    assert path.stat().st_size <= LARGEST and found.shape == (1000, 1100, 3)
    assert (found[:, :500] == 255).all() and (found[:, -8:] == 0).all() and 60 < found[:, 600:1000].mean() < 200


def test_blocks_that_scaling_would_blur_keep_their_size(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    small = np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)
    blocks = small.repeat(43, axis=0).repeat(43, axis=1)
    Image.fromarray(blocks).save(path)
    make_small(path, path)
    with Image.open(path) as image:
        found = np.asarray(image.convert("L"))
    assert found.shape == blocks.shape and np.abs(found.astype(int) - blocks).max() <= 8


def test_an_animation_has_fewer_frames_and_lasts_as_long(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [_noise(400, 200, seed) for seed in range(30)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[80] * 29 + [400], loop=0)
    assert path.stat().st_size > 2 * LARGEST
    make_small(path, path)
    with Image.open(path) as image:
        found = [(np.asarray(f.convert("RGB")), f.info["duration"]) for f in ImageSequence.Iterator(image)]
    assert path.stat().st_size <= LARGEST and 8 <= len(found) < 30
    assert sum(time for _, time in found) == 29 * 80 + 400 and found[-1][1] >= 400
    assert np.abs(found[-1][0].astype(int) - np.asarray(frames[-1])).mean() < 8
