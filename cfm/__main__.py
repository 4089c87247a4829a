"""The command line: the verbs that the workflow's rules run, for use by hand as well. No logic here."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

# Before numpy is loaded: one thread per process (Snakemake sets these too); parallelism comes from the jobs.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

from cfm.cli import cells, commands
from cfm.errors import UserError, one_line


class _OneLine(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {one_line(message)}; `{self.prog} --help` says what there is", file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _OneLine(prog="python -m cfm", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str, *names: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.add_argument("--budget", default="quick", help="smoke, quick (default) or paper")
        for argument in names:
            sub.add_argument(f"--{argument}", required=True)
        return sub

    verb("list", "what exists: experiments, data sets, methods, metrics")
    verb("check", "check the configuration; says nothing if it is right")
    verb("schema", "print the JSON schema of the configuration")
    for name, text in (
        ("fetch", "download the files of data that the experiments lack"),
        ("status", "done, running, failed and missing runs"),
        ("reproduce", "run a budget"),
    ):
        sub = verb(name, text)
        sub.add_argument("--experiments", default="", help="names; all enabled ones by default")
        if name == "reproduce":
            sub.add_argument("--cores", default="all")
            sub.add_argument("--profile", default="local")
    verb("data", "prepare a data set", "experiment", "dataset")
    apart = verb("source-target", "measure how far source and target of a data set are apart", "experiment", "dataset")
    apart.add_argument("--seeds", type=int, nargs="+", help="the experiment's seeds by default")
    for name, text in (
        ("show", "the resolved settings of one run"),
        ("train", "train a method on a data set"),
        ("sample", "carry the evaluation points to the target"),
        ("external", "have a program outside this package write the samples: ... -- COMMAND"),
        ("evaluate", "measure samples"),
        ("objective", "measure the variance of the regression target"),
        ("carry", "carry cells from one time to another by the trained networks, into a file"),
    ):
        sub = verb(name, text, "experiment", "dataset", "method")
        if name != "show":
            sub.add_argument("--seeds", type=int, nargs="+", help="the experiment's seeds by default")
            sub.add_argument("--spec", help="digest of the settings the caller expects")
        if name == "train":
            sub.add_argument("--threads", type=int, default=1, help="more than 1: that many processes draw ahead")
        if name == "carry":
            sub.add_argument("--from", dest="start", required=True, metavar="TIME", help="label of a time, or a number")
            sub.add_argument("--to", dest="end", required=True, metavar="TIME", help="it may be an earlier time")
            sub.add_argument(
                "--times", type=int, default=2, help="so many equally spaced times, both ends included (2)"
            )
            sub.add_argument("--cells", type=Path, help="a file of cells like the data set's; its own by default")
            sub.add_argument("--out", type=Path, required=True, help="the file to write: .h5ad or .npz")
        if name == "external":
            sub.add_argument(
                "--packages", type=Path, help="requirements file of what is installed for the program alone"
            )
            sub.add_argument("command", nargs="+", help="after --; the job's file is its last argument")
    new = verb("new-method", "write a method that runs at once, to be changed into one's own")
    new.add_argument("name", help="lower-case letters, digits and underscores")
    new.add_argument("--rule", action="store_true", help="as a program outside this package, with its rule")
    checked = verb("check-method", "does a method keep the contract? Says so check by check, and ends with 1 if not")
    checked.add_argument("name", help="an entry of config/methods.yaml")
    kept = verb("reference", "add the finished runs to those in results/reference")
    kept.add_argument("--experiments", default="", help="names; all enabled ones by default")
    verb("collect", "gather the metrics of an experiment into runs.csv", "experiment")
    verb("table", "make a table (csv, md, tex)", "experiment", "name")
    judge = verb("claims", "judge the paper's claims (csv, md)")
    judge.add_argument("--experiments", default="", help="names; all enabled ones by default")
    page = verb("report", "write the report, one page with all results (html)")
    page.add_argument("--experiments", default="", help="names; all enabled ones by default")
    page.add_argument("--reference", action="store_true", dest="kept", help="of the runs in results/reference")
    draw = verb("figure", "draw a figure (png, pdf)", "experiment", "name")
    draw.add_argument("--dataset", help="for a figure that shows one data set")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; 0 if it went well, 2 with one line on stderr if the user can mend what is wrong."""
    parsed = vars(_parser().parse_args(arguments))
    verb = parsed.pop("verb").replace("-", "_")
    try:
        command = getattr(cells, verb, None) or getattr(commands, "list_" if verb == "list" else verb)
        return command(**parsed) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"error: {one_line(f'{error.filename or verb}: {error.strerror or error}')}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
