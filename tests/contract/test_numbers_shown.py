"""The numbers and counts that README and manual show are those of the runs that are kept."""

import re
from pathlib import Path

import pytest

from cfm import config as configuration
from cfm.results.claims.summary import count, read_claims
from cfm.results.published import MARKS
from tests.pipeline.conftest import read_rows

GAUSSIANS = [f"gaussians_{d}d" for d in (2, 5, 20, 50)]
TOY2D = ["gaussian_8gaussians", "moons_8gaussians", "gaussian_moons", "gaussian_scurve"]
# A page's tables of numbers in their order: budget, experiment, table, metric, columns, number of methods.
SHOWN = {
    "README.md": [("paper", "toy2d", "table2", "npe", TOY2D, 7)],
    "docs/tables.md": [
        ("paper", "toy2d", "table2", "npe", TOY2D, 15),
        ("paper", "toy2d", "table2", "w2", TOY2D, 16),
        ("paper", "bridges", "table3", "bridge_w2", [f"bridge_{d}" for d in TOY2D], 4),
        ("paper", "gaussian_bridges", "gaussian_bridges", "bridge_kl_end", GAUSSIANS, 6),
        ("paper", "single_cell", "table4", "w1", ["embryoid_subset", "emt"], 8),
        ("paper", "unnormalised", "tabled2_euler10", "log_z_bias", ["funnel_rwis", "funnel_mcmc", "mixture_rwis"], 3),
        ("quick", "translation", "table6", "mmd_rbf", ["smiles"], 6),
    ],
}


@pytest.mark.parametrize(
    ("page", "place", "shown"), [(page, k, shown) for page, tables in SHOWN.items() for k, shown in enumerate(tables)]
)
def test_the_numbers_are_the_reference_runs(
    page: str, place: int, shown: tuple[str, str, str, str, list[str], int]
) -> None:
    """Every cell of a table, ours above the published one, from the committed csv."""
    budget, experiment, table, metric, columns, methods = shown
    config = configuration.load("paper", (experiment,))
    members = config.methods_of(experiment)
    labels = {config.methods[m].entry.label.removesuffix(" (beyond the paper)"): m for m in members}
    block = Path(page).read_text().split("| method |")[place + 1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]]
    rows = [row for row in rows if row[0] in labels]
    for label, *values in rows:
        assert values == _cells(budget, experiment, table, metric, labels[label], columns), label
    assert len(rows) == methods


def _cells(budget: str, experiment: str, table: str, metric: str, method: str, datasets: list[str]) -> list[str]:
    """A method's cells as a page shows them."""
    rows = read_rows(Path(f"results/reference/{budget}/{experiment}/tables/{table}.csv"))
    cells = {(r["method"], r["dataset"], r["metric"]): r for r in rows}
    wanted = [cells[method, dataset, metric] for dataset in datasets]
    return ["<br>".join(filter(None, (_ours(cell), _published(cell)))) for cell in wanted]


@pytest.mark.parametrize("budget", ["quick", "paper"])
def test_the_readme_counts_the_claims_as_they_were_judged(budget: str) -> None:
    counts = count(read_claims(Path(f"results/reference/{budget}/claims.csv")))
    text = " ".join(Path("README.md").read_text().split("**Claims.**")[1].split("\n\n")[0].split())
    verdicts = r"(\d+) holds?, (\d+) fails?, (\d+) (?:is|are) undecided and (\d+)"
    said = re.search(rf"At budget `{budget}`[^0-9]* {verdicts}[^0-9]*; of ours {verdicts}", text)
    assert said
    assert [int(n) for n in said.groups()] == [n for numbers in counts.values() for n in numbers.values()]
    paper, ours = (sum(numbers.values()) for numbers in counts.values())
    assert f"{paper} statements of the paper, and {ours} of our own" in text


def _spread(mean: str, std: str) -> str:
    return f"{float(mean):.3f}" + (f" ± {float(std):.3f}" if std else "")


def _ours(cell: dict[str, str]) -> str:
    if not cell["mean"]:
        return "—" if cell["verdict"] == "not applicable" else "not run"
    text = _spread(cell["mean"], cell["std"])
    return f"**{text}**" if cell["best"] == "True" else text


def _published(cell: dict[str, str]) -> str:
    if not cell["paper_mean"]:
        return ""
    return _spread(cell["paper_mean"], cell["paper_std"]) + MARKS[cell["paper_confidence"]]
