"""Damage to files between stages: `python -m tests.faults.damage --faults 100 --seed 1`.

A random bit is flipped, a file cut or a block of it zeroed, and the stages after it run again: each must refuse the
file in one line, or give the bits of a run that was left alone (the fault hit what is not read). Exit code 1 if a
number differs, or if something but a clear line was said.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from cfm.__main__ import main as cfm
from cfm.training.trainer import Trainer
from tests.faults.storm import differing
from tests.pipeline.conftest import Project, new_copy, read_numbers, tiny_toy2d

BUDGET = tiny_toy2d("otcfm, identity", "moons_8gaussians", steps=400, validate_every=20)

WHERE = ("--budget", "smoke", "--experiment", "toy2d", "--dataset", "moons_8gaussians", "--method", "otcfm")
RUN = "moons_8gaussians/otcfm/seed=42"
OUTCOMES = ("recovered", "refused", "wrong", "unclear")
# What is damaged: where it lies below results/smoke, and the stages that read it, in turn.
KINDS = {
    "prepared data": ("toy2d/moons_8gaussians/data.npz", ("train", "sample", "evaluate")),
    "half-trained state": (".resume/*.safetensors", ("train", "sample", "evaluate")),
    "trained model": (f"toy2d/{RUN}/model.safetensors", ("sample", "evaluate")),
    "samples": (f"toy2d/{RUN}/samples/rk4.npz", ("evaluate",)),
}


def flip(content: bytearray, rng: random.Random) -> bytearray:
    """One bit."""
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content


def cut(content: bytearray, rng: random.Random) -> bytearray:
    """The end is missing."""
    return content[: rng.randrange(len(content))]


def blank(content: bytearray, rng: random.Random) -> bytearray:
    """A block of the disk is zeros."""
    start = 512 * rng.randrange(-(-len(content) // 512))
    content[start : start + 512] = bytes(len(content[start : start + 512]))
    return content


DAMAGES: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (flip, cut, blank)


def prepare(folder: Path) -> tuple[Project, Project]:
    """A project with everything done, and the same stopped in the middle of training."""
    whole = new_copy(folder / "whole", BUDGET)
    with contextlib.chdir(whole.folder), contextlib.redirect_stderr(io.StringIO()):
        assert cfm(["data", *WHERE[:6]]) == 0
        for verb in ("sample", "evaluate"):
            assert cfm([verb, *WHERE[:7], "identity"]) == 0
    half = whole.copy(folder / "half")
    with contextlib.redirect_stderr(io.StringIO()):
        with contextlib.chdir(whole.folder):
            for verb in ("train", "sample", "evaluate"):
                assert cfm([verb, *WHERE]) == 0
        with contextlib.chdir(half.folder), contextlib.suppress(KeyboardInterrupt), _stop_after_the_first_check():
            cfm(["train", *WHERE])
    assert len([*half.folder.glob("results/smoke/.resume/*.safetensors")]) == 1
    return whole, half


def _stop_after_the_first_check() -> contextlib.AbstractContextManager[object]:
    return mock.patch.object(Trainer, "_summary", side_effect=KeyboardInterrupt)


def outcome(project: Project, stages: tuple[str, ...], undisturbed: dict[str, bytes]) -> tuple[str, str]:
    """What becomes of the stages: one of `OUTCOMES`, and what was said."""
    said = io.StringIO()
    with contextlib.chdir(project.folder), contextlib.redirect_stderr(said):
        for stage in stages:
            try:
                code = cfm([stage, *WHERE])
            except Exception as error:
                return "unclear", f"{type(error).__name__}: {error}"
            lines = [line for line in said.getvalue().splitlines() if not line.startswith(f"{stage} ")]
            if code == 2 and len(lines) == 1 and lines[0].startswith("error: "):
                return "refused", lines[0]
            if code:
                return "unclear", said.getvalue()
            said.truncate(0)
            said.seek(0)
    changed = differing(read_numbers(project), undisturbed)
    return ("wrong", ", ".join(changed)) if changed else ("recovered", "")


def inject(folder: Path, faults: int, rng: random.Random) -> dict[str, dict[str, int]]:
    """How often each outcome, by kind of file."""
    whole, half = prepare(folder)
    undisturbed = read_numbers(whole)
    counts = {kind: dict.fromkeys(OUTCOMES, 0) for kind in KINDS}
    for number in range(faults):
        kind = [*KINDS][number % len(KINDS)]
        pattern, stages = KINDS[kind]
        project = (half if stages[0] == "train" else whole).copy(folder / "damaged")
        if kind == "prepared data":
            shutil.rmtree(project.folder / "results/smoke/.resume")
        (path,) = (project.folder / "results/smoke").glob(pattern)
        damage = DAMAGES[number // len(KINDS) % len(DAMAGES)]
        path.write_bytes(damage(bytearray(path.read_bytes()), rng))
        found, said = outcome(project, stages, undisturbed)
        counts[kind][found] += 1
        if found in ("wrong", "unclear"):
            print(f"{kind}, {damage.__name__}: {found}: {said}", flush=True)
        shutil.rmtree(project.folder)
    return counts


def main() -> int:
    """Inject the faults and print their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cfm-damage-") as name:
        counts = inject(Path(name), asked.faults, random.Random(asked.seed))
    print("| damaged | faults | " + " | ".join(OUTCOMES) + " |\n| --- |" + " ---: |" * (1 + len(OUTCOMES)))
    for kind, count in counts.items():
        print(f"| {kind} | {sum(count.values())} | " + " | ".join(map(str, count.values())) + " |")
    return 1 if any(count["wrong"] or count["unclear"] for count in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
