"""Two methods on the same seeds: SciPy's paired t-test, the pooled ratio, the seeds that would decide, its lines."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cfm import config as configuration
from cfm.__main__ import main
from cfm.artifacts.runs import COLUMNS, write_runs
from cfm.config import Config
from cfm.results.compare import better, compare, seeds_to_decide
from cfm.results.compare_text import text
from cfm.results.statistics import MOST_SEEDS, power, seeds_needed, smallest_seen

DATASETS = ("gaussian_moons", "moons_8gaussians", "gaussian_scurve")
PAIR = ("icfm", "otcfm")


@pytest.fixture
def config() -> Config:
    loaded = configuration.load("quick", ("toy2d",))
    toy = replace(loaded.experiments["toy2d"], datasets=DATASETS)
    return replace(loaded, experiments={"toy2d": toy}, asked={"toy2d": toy})


def rows(values: dict[tuple[str, str], dict[int, float]], metric: str = "w2") -> pd.DataFrame:
    """Runs of toy2d, by data set and method; NaN stands for a run that failed."""
    found = [
        {"dataset": d, "method": m, "seed": seed, "solver": "rk4", "nfe": 400, "unit": "", "reason": ""}
        | ({"status": "failed", "reason": "it diverged"} if math.isnan(x) else {"status": "ok"})
        | ({} if math.isnan(x) else {"metric": metric, "value": x})
        for (d, m), mine in values.items()
        for seed, x in mine.items()
    ]
    return pd.DataFrame(found, columns=COLUMNS)


def drawn(seeds: int = 5) -> dict[tuple[str, str], dict[int, float]]:
    rng = np.random.default_rng(3)
    return {
        (d, m): {42 + s: float(scale * rng.gamma(20, 1 + 0.1 * (m == "icfm"))) for s in range(seeds)}
        for d, scale in zip(DATASETS, (1.0, 100.0, 1e-3), strict=True)
        for m in PAIR
    }


def test_every_data_set_is_scipys_paired_t_test(config: Config) -> None:
    values = drawn()
    found = compare(config, "toy2d", rows(values), "rk4", "w2", PAIR)
    for dataset, line in zip(DATASETS, found.lines, strict=True):
        first, second = ([*values[dataset, m].values()] for m in PAIR)
        expected = stats.ttest_rel(first, second)
        interval = expected.confidence_interval(0.95)
        result = line.result
        assert result is not None and result.n == 5
        assert result.two_sided == pytest.approx(expected.pvalue, rel=1e-9)
        assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
        difference = np.subtract(first, second)
        assert result.mean == pytest.approx(difference.mean())
        assert result.effect == pytest.approx(difference.mean() / difference.std(ddof=1))


def test_data_sets_are_pooled_as_ratios_whatever_their_scale(config: Config) -> None:
    values = drawn()
    pooled = compare(config, "toy2d", rows(values), "rk4", "w2", PAIR).pooled
    logs = [np.mean([np.log([*values[d, m].values()]) for d in DATASETS], axis=0) for m in PAIR]
    expected = stats.ttest_rel(*logs)
    assert pooled is not None and pooled.result is not None and pooled.ratio
    assert pooled.result.two_sided == pytest.approx(expected.pvalue, rel=1e-9)
    assert math.exp(pooled.result.mean) == pytest.approx(math.exp(np.mean(logs[0] - logs[1])))
    values = {
        key: {s: x * (1e4 if key[0] == DATASETS[0] else 1) for s, x in mine.items()} for key, mine in values.items()
    }
    again = compare(config, "toy2d", rows(values), "rk4", "w2", PAIR).pooled
    assert again is not None and again.result is not None
    assert again.result.two_sided == pytest.approx(pooled.result.two_sided, rel=1e-9)


def test_only_seeds_that_both_have_count_and_the_others_are_named(config: Config) -> None:
    values = drawn(4)
    del values[DATASETS[0], "icfm"][43]
    values[DATASETS[0], "otcfm"][45] = math.nan
    values[DATASETS[1], "icfm"] = {}
    found = compare(config, "toy2d", rows(values), "rk4", "w2", PAIR)
    shown = text(found)
    assert found.lines[0].result is not None and found.lines[0].result.n == 2
    assert "N → moons: icfm, seed 43: not run" in shown
    assert "N → moons: otcfm, seed 45: failed: it diverged" in shown
    assert "moons → 8gaussians: icfm, seeds 42, 43, 44, 45: not run" in shown
    assert found.pooled is not None and found.pooled.label == "2 data sets, ratio" and found.pooled.result is not None
    assert found.pooled.result.n == 2  # seeds 42 and 44, on both


def test_what_cannot_be_compared_says_so(config: Config) -> None:
    one = rows({(DATASETS[0], m): {42: x} for m, x in zip(PAIR, (1.0, 2.0), strict=True)})
    found = compare(config, "toy2d", one, "rk4", "w2", PAIR)
    assert "with one shared seed there is no interval and no test" in text(found) and found.pooled is None
    assert found.lines[0].result is not None and seeds_to_decide(found.lines[0].result) == "2 or more"
    same = rows({(DATASETS[0], m): {42: 1.0, 43: 2.0} for m in PAIR})
    equal = compare(config, "toy2d", same, "rk4", "w2", PAIR)
    assert equal.lines[0].result is not None and better(equal, equal.lines[0]) == "equal"
    assert seeds_to_decide(equal.lines[0].result) == "none would" and equal.lines[0].result.two_sided == 1
    below = rows({(d, m): {42: -1.0, 43: x} for d in DATASETS[:2] for m, x in zip(PAIR, (1.0, 2.0), strict=True)})
    assert "not pooled: some values are not positive" in text(compare(config, "toy2d", below, "rk4", "w2", PAIR))
    absent = rows(drawn(), "npe")
    assert "N → moons: w2 says nothing of these runs" in text(compare(config, "toy2d", absent, "rk4", "w2", PAIR))


@pytest.mark.parametrize(
    ("metric", "first", "second", "expected"),
    [
        ("w2", (1.0, 1.1, 1.0), (2.0, 2.2, 2.0), "icfm"),
        ("class_accuracy", (1.0, 1.1, 1.0), (2.0, 2.2, 2.0), "otcfm"),
        ("log_z_bias", (-1.0, 1.1, -1.0), (2.0, 2.2, -2.0), "icfm"),  # nearer zero, whatever the sign
        ("log_z", (1.0, 1.1, 1.0), (2.0, 2.2, 2.0), "-"),  # neither is better
        ("w2", (1.0, 2.0, 3.0), (3.0, 2.0, 1.5), "undecided"),
    ],
)
def test_the_better_one_follows_the_metric(
    config: Config, metric: str, first: tuple[float, ...], second: tuple[float, ...], expected: str
) -> None:
    values = {
        (DATASETS[0], m): dict(zip((42, 43, 44), x, strict=True)) for m, x in zip(PAIR, (first, second), strict=True)
    }
    found = compare(config, "toy2d", rows(values, metric), "rk4", metric, PAIR)
    assert better(found, found.lines[0]) == expected


def test_the_power_of_the_test_is_what_a_simulation_finds() -> None:
    rng = np.random.default_rng(0)
    for effect, n in ((0.5, 10), (1.0, 10), (2.0, 4)):
        differences = rng.normal(effect, 1, size=(20_000, n))
        found = stats.ttest_1samp(differences, 0, axis=1).pvalue < 0.05
        assert power(effect, n) == pytest.approx(found.mean(), abs=0.012)
        assert power(-effect, n) == power(effect, n)
    assert power(0, 7) == pytest.approx(0.05) and power(0, 7, sides=1) == pytest.approx(0.05)
    assert power(3, 1) == 0


@pytest.mark.parametrize(("effect", "expected"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10), (-0.5, 34), (1e6, 2)])
def test_the_seeds_needed_are_the_fewest_with_enough_power(effect: float, expected: int) -> None:
    """The numbers of textbooks' tables for a paired test at 5% on two sides and 80% power."""
    assert seeds_needed(effect) == expected
    assert power(effect, expected) >= 0.8 > power(effect, expected - 1)


def test_no_number_of_seeds_is_promised_where_none_is_known() -> None:
    assert [seeds_needed(effect) for effect in (0.0, 0.001, math.nan, math.inf)] == [None] * 4
    assert all(
        0.05 - 1e-9 <= power(effect, n) <= 1 for effect in np.logspace(-4, 4, 60) for n in (2, 3, 5, 34, MOST_SEEDS)
    )
    for n in (2, 3, 5, 20):
        assert power(smallest_seen(n), n, sides=1) == pytest.approx(0.8, abs=1e-6)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with runs of two methods in toy2d and couplings, at budget quick."""
    shutil.copytree("config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    for experiment in ("toy2d", "couplings"):
        written = rows({key: mine for key, mine in drawn().items() if key[1] != "icfm"}, "npe")
        other = written.assign(method="icfm" if experiment == "toy2d" else "sbcfm", value=written.value * 2)
        both = pd.concat([written, other])
        write_runs(Path(f"results/quick/{experiment}/runs.csv"), both.to_dict("records"))
    return tmp_path


def test_the_command_compares_every_experiment_that_has_both(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "icfm", "otcfm", "--metric", "npe"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("toy2d, rk4: normalised path error") and "couplings" not in said
    assert re.search(r"3 data sets, ratio +5 .*× 2 ", said) and "decided already" in said
    assert main(["compare", "sbcfm", "otcfm", "--metric", "npe", "--dataset", "gaussian_moons"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("couplings, rk4") and "N → moons" in said and "data sets, ratio" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["icfm", "otcm"], "unknown method 'otcm'; did you mean 'otcfm'?"),
        (["otcfm", "otcfm"], "otcfm with itself"),
        (["icfm", "otcfm", "--experiment", "toy2"], "unknown experiment 'toy2'; did you mean 'toy2d'?"),
        (["icfm", "otcfm", "--experiment", "toy2d", "--metric", "w3"], "unknown metric 'w3'; did you mean"),
        (["icfm", "otcfm", "--experiment", "toy2d", "--dataset", "gaussian_mons"], "did you mean 'gaussian_moons'?"),
        (["icfm", "otcfm", "--experiment", "toy2d", "--solver", "rk5"], "did you mean 'rk4'?"),
        (["icfm", "otcfm", "--experiment", "couplings"], "icfm: no part of couplings; it has"),
        (["fm", "otcfm", "--experiment", "toy2d"], "toy2d: no finished runs of fm at budget 'quick'"),
        (["fm", "otcfm"], "no experiment has finished runs of both fm and otcfm at budget 'quick'"),
        (["icfm", "otcfm", "--metric", "w3"], "--metric: unknown metric 'w3'; did you mean"),
        (["icfm", "otcfm", "--metric", "nll"], "both icfm and otcfm at budget 'quick' with nll"),
        (["icfm", "otcfm", "--dataset", "moons_8gausians"], "--dataset: unknown data set"),
        (["icfm", "otcfm", "--reference"], "at budget 'quick' in results/reference"),
    ],
)
def test_what_is_typed_wrongly_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["compare", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
