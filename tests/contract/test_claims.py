"""The claims engine: verdicts on synthetic runs whose answer is known."""

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cfm import config as configuration
from cfm.artifacts.runs import read_runs
from cfm.config.entries import by_name
from cfm.errors import UserError
from cfm.results.claims import judge as engine
from cfm.results.claims.judge import Claim, judge, load_claims
from cfm.results.claims.report import report, write_claims
from cfm.results.claims.summary import count, read_claims, summary
from cfm.results.statistics import paired
from cfm.settings import PAIRS

CONFIG = configuration.load("quick")
DATASETS = CONFIG.experiments["toy2d"].datasets
REFERENCE = Path(__file__).parents[2] / "results/reference"
CLAIM = Claim("a is lower", "nowhere", "toy2d", "npe", below=("otcfm",), above=("icfm",))


def _runs(**means: float) -> pd.DataFrame:
    """Five paired seeds of every method on every data set, with a seed effect that both sides share."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "dataset": dataset,
            "method": method,
            "seed": seed,
            "solver": "rk4",
            "metric": "npe",
            "value": mean + 3 * seed + 0.01 * rng.standard_normal(),
            "status": "ok",
        }
        for dataset in DATASETS
        for method, mean in means.items()
        for seed in range(42, 47)
    ]
    return pd.DataFrame(rows)


def _verdict(claim: Claim, runs: pd.DataFrame | None, config: configuration.Config = CONFIG) -> str:
    return judge("claim", claim, config, runs).verdict


def test_a_flipped_order_flips_the_verdict() -> None:
    assert _verdict(CLAIM, _runs(otcfm=1.0, icfm=2.0)) == "holds"
    assert _verdict(CLAIM, _runs(otcfm=2.0, icfm=1.0)) == "fails"


def test_one_data_set_the_other_way_is_enough_to_fail() -> None:
    runs = _runs(otcfm=1.0, icfm=2.0)
    runs.loc[(runs.dataset == DATASETS[1]) & (runs.method == "otcfm"), "value"] += 5
    assert _verdict(CLAIM, runs) == "fails"


def test_no_difference_is_undecided() -> None:
    runs = _runs(otcfm=1.0, icfm=1.0)
    noise = np.random.default_rng(1).standard_normal(len(runs))
    assert _verdict(CLAIM, runs.assign(value=runs.value + noise)) == "undecided"


def test_missing_values_are_not_run() -> None:
    runs = _runs(otcfm=1.0, icfm=2.0)
    assert _verdict(CLAIM, None) == "not run"
    assert _verdict(CLAIM, runs[runs.method != "icfm"]) == "not run"
    assert _verdict(CLAIM, runs[runs.dataset != DATASETS[0]]) == "not run"
    assert _verdict(CLAIM, runs.assign(status="failed")) == "not run"


def test_a_single_seed_decides_nothing() -> None:
    runs = _runs(otcfm=1.0, icfm=2.0)
    assert _verdict(CLAIM, runs[runs.seed == 42]) == "undecided"


def test_factors_and_bounds() -> None:
    runs = _runs(otcfm=1.0, icfm=5.0)
    flat = runs.assign(value=np.where(runs.method == "icfm", 5.0, 1.0) + 0.001 * runs.seed)
    for factor, verdict in ((4.0, "holds"), (6.0, "fails")):
        assert _verdict(Claim("", "", "toy2d", "npe", ("otcfm",), ("icfm",), factor=factor), flat) == verdict
    for bound, verdict in ((1.5, "holds"), (0.5, "fails")):
        assert _verdict(Claim("", "", "toy2d", "npe", ("otcfm",), bound=bound), flat) == verdict
    for bound, verdict in ((4.0, "holds"), (6.0, "fails")):
        assert _verdict(Claim("", "", "toy2d", "npe", above=("icfm",), bound=bound), flat) == verdict


def test_a_margin_asks_for_no_worse() -> None:
    """1.0 is not below 0.95, but it is no more than 0.1 above it."""
    runs = _runs(otcfm=1.0, icfm=0.95)
    for margin, verdict in ((0.0, "fails"), (0.02, "fails"), (0.1, "holds")):
        assert _verdict(Claim("", "", "toy2d", "npe", ("otcfm",), ("icfm",), margin=margin), runs) == verdict


def test_a_claim_waits_for_its_budget() -> None:
    claim = Claim("seconds", "", "toy2d", "npe", ("otcfm",), ("icfm",), budgets=("paper",))
    judged = judge("claim", claim, CONFIG, _runs(otcfm=1.0, icfm=2.0))
    assert judged.verdict == "not run" and "it takes budget paper" in report(CONFIG, [judged])


def test_the_report_says_what_decides() -> None:
    """The comparison with the largest p-value is named, and an undecided claim says how many are as claimed."""
    runs = _runs(otcfm=1.0, icfm=2.0)
    assert "**Holds** in all 4 comparisons" in report(CONFIG, [judge("c", CLAIM, CONFIG, runs)])
    worse = runs.copy()
    worse.loc[(runs.dataset == "gaussian_moons") & (runs.method == "otcfm"), "value"] += 5
    text = report(CONFIG, [judge("c", CLAIM, CONFIG, worse)])
    assert "**Fails**: the difference has the opposite sign on N → moons" in text and "3 of 4 are as claimed" in text
    noise = 5 * np.random.default_rng(1).standard_normal(len(runs))
    noisy = runs.assign(value=np.where(runs.dataset == "gaussian_scurve", runs.value + noise, runs.value))
    text = report(CONFIG, [judge("c", CLAIM, CONFIG, noisy)])
    assert "**Undecided**: 3 of 4 comparisons are significant; least on N → scurve" in text


def test_impossible_pairs_are_left_out() -> None:
    """FM does not run from moons: the claim rests on the other three data sets."""
    runs = _runs(otcfm=1.0, fm=2.0)
    judged = judge("claim", Claim("", "", "toy2d", "npe", ("otcfm",), ("fm",)), CONFIG, runs)
    assert judged.verdict == "holds"
    assert "moons_8gaussians" not in [c.column.name for c in judged.comparisons] and len(judged.comparisons) == 3


def test_paired_is_students_test_on_the_differences() -> None:
    rng = np.random.default_rng(3)
    below, above = rng.standard_normal(6), 0.5 + rng.standard_normal(6)
    found = paired(dict(enumerate(below)), dict(enumerate(above)) | {99: 1.0})
    expected = stats.ttest_rel(above, below, alternative="greater")
    interval = stats.ttest_rel(above, below).confidence_interval(0.95)
    assert found.n == 6 and found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(interval))
    assert found.effect == pytest.approx(found.mean / (above - below).std(ddof=1))
    assert found.p_reverse == pytest.approx(1 - found.p)


def test_paired_without_spread() -> None:
    same = paired({1: 1.0, 2: 2.0}, {1: 1.0, 2: 2.0})
    assert (same.p, same.p_reverse) == (1, 1)
    shifted = paired({1: 1.0, 2: 2.0}, {1: 2.0, 2: 3.0})
    assert (shifted.p, shifted.p_reverse) == (0, 1) and math.isinf(shifted.effect)
    with pytest.raises(ValueError, match="no seed"):
        paired({1: 1.0}, {2: 1.0})


def test_every_claim_of_the_project_can_be_judged() -> None:
    """Names exist, and what a claim compares is measured in its experiment, where all of it is run."""
    config = configuration.load("paper").whole()
    for name, claim in load_claims(config).items():
        experiment = config.experiments[claim.experiment]
        assert claim.metric.removesuffix("_large") in experiment.metrics, name
        assert set(claim.solvers) <= ({PAIRS} if experiment.objective else set(experiment.solvers)), name
        assert set(claim.below + claim.above) <= set(config.methods_of(claim.experiment)), name
        members = {m for dataset in claim.datasets for m in by_name(config.datasets)[dataset]}
        assert members <= set(experiment.datasets), name


def test_what_the_paper_does_not_say_is_marked_as_ours() -> None:
    """Ours are those that no place of the paper states, or that are about other data than the paper's."""
    for name, claim in load_claims(configuration.load("paper")).items():
        elsewhere = claim.place.startswith("not in the paper") or re.search("on other (faces|pictures)", claim.place)
        assert not elsewhere or claim.ours, name
        assert not claim.statement.startswith("("), f"{name}: the mark is put there by `ours`"
        assert claim.text.startswith("(Ours) ") == claim.ours


@pytest.mark.parametrize("budget", ["quick", "paper"])
def test_no_upper_bound_is_met_by_points_that_stay_where_they_are(budget: str) -> None:
    """Or the claim would say nothing of the method: judged on the kept runs with the control in its place."""
    config = configuration.load(budget)
    bounded = {name: claim for name, claim in load_claims(config).items() if claim.bound is not None and claim.below}
    assert bounded
    for name, claim in bounded.items():
        kept = read_runs(REFERENCE / budget / claim.experiment / "runs.csv")
        at_rest = dataclasses.replace(claim, below=("identity",))
        assert _verdict(at_rest, kept, config) in ("fails", "undecided"), name


def test_a_claim_with_one_side_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text("x: {statement: s, place: p, experiment: toy2d, metric: npe, below: [otcfm]}")
    monkeypatch.setattr(engine, "FILE", file)
    with pytest.raises(UserError, match="two of 'below', 'above' and 'bound'"):
        load_claims(CONFIG)
    file.write_text("x: {statement: s, place: p, experiment: toy2d, metric: npe, below: [otcmf], bound: 1.0}")
    with pytest.raises(UserError, match="otcfm"):
        load_claims(CONFIG)


def test_the_report_counts_and_shows_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    reference = Path("results/reference/paper/toy2d/runs.csv")
    config = configuration.load("paper", ("toy2d",))
    layout = type(config.layout)(str(tmp_path), "paper")
    layout.runs("toy2d").parent.mkdir(parents=True)
    layout.runs("toy2d").write_bytes(reference.read_bytes())
    monkeypatch.setattr(configuration.Config, "layout", layout)
    write_claims(config)
    claims = read_claims(layout.claims("csv"))
    counts = count(claims)
    assert sum(sum(numbers.values()) for numbers in counts.values()) == len(load_claims(config))
    assert sum(counts["of our own"].values()) == sum(claim.ours for claim in load_claims(config).values())
    table = pd.read_csv(layout.claims("csv")).set_index("claim")
    assert set(table.loc["otcfm_straighter_than_icfm"].verdict) == {"holds"}
    assert set(table.loc[["sbcfm_collapse_is_numerical"]].verdict) == {"not run"}
    text = layout.claims("md").read_text()
    assert f"of the paper **{counts['of the paper']['holds']} hold, " in text and "otcfm: " in text and "95%" in text
    others = len(claims) - sum(claims.run)
    assert others > 0 and {*claims[~claims.run].verdict} == {"not run"}
    fold = text.split("<details>")[1].split("</details>")[0]
    assert f"{others} statements on experiments that were not run" in fold and fold.count("\n- ") == others
    assert text.count("\n## ") == sum(claims.run) and "not part of this run" not in text
    assert summary(config)[-1] == f"  {others} statements on experiments that were not run"
    assert "Seconds" not in text
    (tmp_path / "paper/seconds.txt").write_text("Taken beside\nother work.\n")
    write_claims(config)
    told = layout.claims("md").read_text().split("\n## ")[1:]
    warned = [part for part in told if "**Seconds**: Taken beside other work." in part]
    assert warned == [part for part in told if "train_seconds" in part]


def test_a_claim_on_a_time_course_is_about_its_mean_over_left_out_times() -> None:
    """One left-out time the other way does not decide; data that are not on this machine leave the claim not run."""
    config = configuration.load("paper", ("single_cell",))
    times = [f"branching_without_{k}" for k in (1, 2, 3)]
    noise = np.random.default_rng(0)
    rows = [
        {"dataset": d, "method": m, "seed": s, "solver": "euler", "metric": "w1", "status": "ok"}
        | {"value": 1 + 0.01 * noise.standard_normal() + (m == "icfm") * gap}
        for d, gap in zip(times, (2.0, 2.0, -1.0), strict=True)
        for m in ("otcfm", "icfm")
        for s in range(42, 47)
    ]
    runs = pd.DataFrame(rows)
    claim = Claim("", "", "single_cell", "w1", ("otcfm",), ("icfm",), solvers=("euler",))

    def verdict(datasets: list[str], these: pd.DataFrame = runs) -> str:
        judged = judge("claim", dataclasses.replace(claim, datasets=tuple(datasets)), config, these)
        told.append(report(config, [judged]))
        return judged.verdict

    told: list[str] = []
    assert verdict(["branching"]) == "holds"
    assert "branching, mean" in told[-1]
    assert verdict(times) == "fails"
    assert verdict(["branching"], runs[runs.dataset != times[0]]) == "not run"
    assert verdict(["branching", "multi"]) == "not run" and "multi: no data in this run" in told[-1]
