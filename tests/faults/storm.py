"""A storm of SIGKILLs over the smoke budget: `python -m tests.faults.storm --kills 50 --seed 1`.

Each kill comes at a random moment of a random stage and hits the whole workflow, or one of its processes as the
kernel does when memory runs out. Then the same command again, to be killed again, until it ends by itself: its
numbers must be the bits of a run that was left alone. Exit code 1 if one differs, or if something but a clear line
was said.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.pipeline.conftest import Project, environment, new_copy, numbers_below

# With the most kills of a round: some stages have one job only.
STAGES = {
    "data": 2, "objective": 1, "train": 4, "sample": 2, "evaluate": 2,
    "collect": 2, "table": 2, "figure": 3, "claims": 1, "report": 1,
}  # fmt: skip
KILLS_OF_A_ROUND = 17
VICTIMS = ("everything", "everything", "job", "snakemake", "make")  # the first is what a reboot does
COMMAND = ("reproduce", "--budget", "smoke", "--cores", "2")
LONGEST = 1800  # seconds that a run may take on a busy machine
# From the start of a stage's process to the kill, seconds: half of it is Python's start, the rest reading and writing.
DELAY = 3.0


@dataclass
class Count:
    """What became of the faults, by stage; and how often a second start was refused with a line, as it must be."""

    injected: Counter[str] = field(default_factory=Counter)
    recovered: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    def table(self) -> str:
        """As markdown, with a row of sums."""
        columns = (self.injected, self.recovered, self.wrong)
        lines = ["| stage | kills | recovered, same bits | wrong |", "| --- |" + " ---: |" * 3]
        for stage in self.injected:
            lines.append(f"| {stage} | " + " | ".join(str(column[stage]) for column in columns) + " |")
        lines.append("| all | " + " | ".join(str(column.total()) for column in columns) + " |")
        return "\n".join([*lines, "", f"second starts refused with a line: {self.refused}"])


class Unclear(Exception):
    """Something was said that is no clear line."""


def processes(session: int) -> dict[int, list[str]]:
    """The living processes of a session, by number, with their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().decode().split("\0")
        except (OSError, IndexError):
            continue
    return found


def stage_of(command: list[str]) -> str | None:
    """The stage that a process runs, if it is a job of the workflow."""
    if command[1:3] == ["-m", "cfm"] and len(command) > 3 and command[3] in STAGES:
        return command[3]
    return None


def _kill(victim: str, session: int, stage: str) -> bool:
    """Kill; False if the victim was gone already."""
    living = processes(session)
    if victim == "everything":
        os.killpg(session, signal.SIGKILL)
        chosen = [*living]  # those that are in groups of their own
    elif victim == "job":
        chosen = [pid for pid, command in living.items() if stage_of(command) == stage][:1]
    elif victim == "snakemake":
        chosen = [pid for pid, command in living.items() if "cfm.workflow.snakemake_cli" in command][:1]
    else:
        chosen = [session] if session in living else []
    for pid in chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(chosen)


def start(project: Project, log: Path) -> subprocess.Popen[bytes]:
    """`make reproduce` in a session of its own, its output in a file."""
    command = [sys.executable, "-m", "cfm", *COMMAND]
    with open(log, "wb") as out:
        return subprocess.Popen(
            command, cwd=project.folder, stdout=out, stderr=out, env=environment(), start_new_session=True
        )


def await_stage(process: subprocess.Popen[bytes], wanted: Collection[str]) -> str | None:
    """A wanted stage of which a job runs, as soon as there is one; None if nothing of the session runs before."""
    deadline = time.monotonic() + LONGEST
    while (living := processes(process.pid)) and time.monotonic() < deadline:
        for command in living.values():
            stage = stage_of(command)
            if stage in wanted:
                return stage
        time.sleep(0.02)
    return None


def second_start(project: Project, process: subprocess.Popen[bytes]) -> int:
    """1 if the command is refused with a line, as it must be while Snakemake lives on without it; 0 if it ended."""
    process.wait()
    if not any("cfm.workflow.snakemake_cli" in command for command in processes(process.pid).values()):
        return 0
    other = project.cfm(*COMMAND)
    said = other.stderr.strip().splitlines()
    if other.returncode == 2 and len(said) == 1 and "another `make reproduce`" in said[0]:
        return 1
    if processes(process.pid):  # it did not end just now
        raise Unclear(other.stdout + other.stderr)
    return 0


def await_end(process: subprocess.Popen[bytes], log: Path) -> None:
    """Until nothing of the session runs."""
    deadline = time.monotonic() + LONGEST
    while living := processes(process.pid):
        if time.monotonic() > deadline:
            raise Unclear(f"still running after {LONGEST} s: {[*living.values()]}")
        time.sleep(0.1)
    process.wait()
    said = log.read_text(errors="replace")
    if "Traceback" in said:
        raise Unclear(said)


def all_numbers(project: Project) -> dict[str, bytes]:
    """Of all experiments, by file; without the verdicts on claims, some of which compare seconds."""
    folders = [folder for folder in sorted((project.folder / "results/smoke").iterdir()) if folder.is_dir()]
    return {f"{folder.name}/{name}": bits for folder in folders for name, bits in numbers_below(folder).items()}


def differing(numbers: Mapping[str, bytes], undisturbed: Mapping[str, bytes]) -> list[str]:
    """The files whose numbers are not those of the run that was left alone."""
    return sorted(name for name in numbers.keys() | undisturbed.keys() if numbers.get(name) != undisturbed.get(name))


def storm(folder: Path, kills: int, rng: random.Random, count: Count) -> None:
    """Rounds of kills and reruns, each from a fresh project to a whole one, until so many kills are done."""
    fresh, log = new_copy(folder / "fresh", budget=None), folder / "log"
    alone = fresh.copy(folder / "alone")
    began = time.monotonic()
    process = start(alone, log)
    await_end(process, log)
    if process.returncode:
        raise Unclear(log.read_text())
    undisturbed = all_numbers(alone)
    print(f"undisturbed: {time.monotonic() - began:.0f} s, {len(undisturbed)} files of numbers", flush=True)
    rounds = 0
    while count.injected.total() < kills:
        rounds += 1
        planned = min(KILLS_OF_A_ROUND, kills - count.injected.total())
        project, hit = fresh.copy(folder / f"round{rounds}"), Counter[str]()
        plan = rng.sample([*STAGES], planned, counts=STAGES.values())
        process = start(project, log)
        while True:
            victim, moment = rng.choice(VICTIMS), rng.uniform(0, DELAY)
            stage = await_stage(process, plan) if plan else None
            if stage is not None:
                time.sleep(moment)
                if _kill(victim, process.pid, stage):
                    plan.remove(stage)
                    hit[stage] += 1
                    count.injected[stage] += 1
                    print(f"kill {count.injected.total()}: {victim} at {stage} + {moment:.2f} s", flush=True)
                    if victim == "make":
                        count.refused += second_start(project, process)
            if stage is None or victim == "everything":  # else what is left goes on for a while, to be hit again
                await_end(process, log)
                if process.returncode == 0 and "tables:" in log.read_text(errors="replace"):
                    break
                process = start(project, log)
        wrong = differing(all_numbers(project), undisturbed)
        (count.wrong if wrong else count.recovered).update(hit)
        print(f"round {rounds}: {'WRONG: ' + ', '.join(wrong) if wrong else 'the same bits'}", flush=True)


def main() -> int:
    """Run the storm and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    count, unclear = Count(), ""
    with tempfile.TemporaryDirectory(prefix="cfm-storm-") as name:
        try:
            storm(Path(name), asked.kills, random.Random(asked.seed), count)
        except Unclear as error:
            unclear = f"\nno clear line:\n{error}"
    print(count.table() + unclear)
    return 1 if unclear or count.wrong.total() else 0


if __name__ == "__main__":
    sys.exit(main())
