"""Tables: the verdict's arithmetic, Table 1 from the code, and markup that survives its format."""

import csv
import io

import pandas as pd
import pytest

from cfm import config as configuration
from cfm.results.columns import column, columns
from cfm.results.published import Published
from cfm.results.statistics import indistinguishable
from cfm.results.tables import comparison, taxonomy
from cfm.results.tables.base import Grid, Rendered, latex, markdown
from cfm.results.tables.ranks import ranks
from cfm.settings import Table


def _published(mean: float | None, std: float | None, confidence: str = "confirmed") -> Published:
    return Published("Table 2", "X", "Y", "W2", mean, std, "1", confidence)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mean", "std", "paper", "expected"),
    [
        (1.0, 0.3, _published(2.4, 0.4), "agrees"),  # 1.4 apart, 3 * 0.5 allowed
        (1.0, 0.3, _published(2.6, 0.4), "differs"),
        (1.0, None, _published(1.2, 0.1), "agrees"),
        (1.0, 0.1, _published(1.2, None), "agrees"),
        (1.0, None, _published(1.0, None), "no published spread"),
        (1.0, 0.1, None, "no published value"),
        (1.0, 0.1, _published(None, None, "unknown"), "no published value"),
        (1.0, 0.1, _published(1.0, 0.1, "unconfirmed"), "agrees (published value unconfirmed)"),
        (9.0, 0.1, _published(1.0, 0.1, "mean_confirmed"), "differs (published value mean confirmed)"),
    ],
)
def test_verdict(mean: float, std: float | None, paper: Published | None, expected: str) -> None:
    assert comparison.verdict(mean, std, paper) == expected


def test_table_1_is_the_papers_taxonomy() -> None:
    """The properties the paper's Table 1 lists, read off the code that trains."""
    config = configuration.load("paper", ("taxonomy",))
    rendered = taxonomy.render(config, "taxonomy", Table("taxonomy", ""))
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(rendered.csv))}
    properties = {
        name: tuple(row[key] for key in ("conditional OT", "marginal OT", "general source"))
        for name, row in rows.items()
    }
    assert properties == {
        "VE diffusion": ("no", "no", "no"),
        "VP diffusion": ("no", "no", "no"),
        "FM": ("yes", "no", "no"),
        "Rectified flow": ("yes", "no", "yes"),
        "VP-CFM": ("no", "no", "yes"),
        "I-CFM": ("yes", "no", "yes"),
        "OT-CFM": ("yes", "yes", "yes"),
        "SB-CFM": ("yes", "entropic", "yes"),
    }
    assert rows["FM"]["q(z)"] == "q(x1)" and rows["Rectified flow"]["σ_t"] == "0"


def test_formats_hold_the_same_cells() -> None:
    table = Table("comparison", "100% of a_b & c")
    rendered = Rendered("", [Grid("w2 (σ²)", ("method", "N → x"), [("A_1", "1.0 ± 0.1<br>paper: —")])], ["‡ note #1"])
    text = markdown(table, rendered)
    assert "| A_1 | 1.0 ± 0.1<br>paper: — |" in text and "- ‡ note #1" in text
    source = latex(table, rendered)
    assert r"100\% of a\_b \& c" in source and r"A\_1 & 1.0 $\pm$ 0.1 paper: --- \\" in source
    assert source.count("{") == source.count("}")


@pytest.mark.parametrize(("value", "text"), [(0.0184, "0.018"), (12.5, "12.500"), (1129.4, "1129"), (-0.5, "-0.500")])
def test_numbers(value: float, text: str) -> None:
    assert comparison.number(value) == text


def test_bold_is_what_cannot_be_told_from_the_best() -> None:
    """Three seeds with a large common effect: b is clearly worse than a by pairs, c is not."""
    seeds = {42: 0.0, 43: 5.0, 44: -3.0}
    values = {
        "a": {s: 1.0 + e for s, e in seeds.items()},
        "b": {s: 1.5 + e + 0.01 * s for s, e in seeds.items()},
        "c": {42: 1.3, 43: 5.9, 44: -1.8},
        "alone": {42: -100.0},
    }
    found = indistinguishable(values)
    assert found.names == {"a", "c"} and found.seeds == {3} and found.untested == {"alone"}
    nothing = indistinguishable({"alone": {42: 1.0}})
    assert nothing.names == set() and nothing.untested == {"alone"}


def test_ranks_average_over_data_sets_and_leave_out_who_is_missing_somewhere() -> None:
    config = configuration.load("quick", ("toy2d",))
    rows = [
        {"dataset": d, "method": m, "seed": s, "solver": "rk4", "metric": "npe", "value": v + s, "status": "ok"}
        for k, d in enumerate(config.experiments["toy2d"].datasets)
        for s in (42, 43)
        for m, v in (("icfm", 2.0), ("otcfm", 1.0 if k else 3.0), ("fm", 0.0))
        if (d, m) in config.pairs("toy2d")
    ]
    found = ranks(config, "toy2d", pd.DataFrame(rows), "npe")
    assert sorted(found.index) == ["icfm", "otcfm"]  # FM has no value from moons
    assert found.loc["otcfm", "mean"] == pytest.approx(1.25) and found.loc["icfm", "mean"] == pytest.approx(1.75)
    assert (found.n == 2).all() and (found.low <= found["mean"]).all()
    alone = [row for row in rows if row["method"] == rows[0]["method"]]
    assert ranks(config, "toy2d", pd.DataFrame(alone), "npe").empty  # there is no rank of one


def test_a_method_that_diverged_on_a_seed_is_never_bold() -> None:
    """Its huge spread would make it indistinguishable from the best; worse than the identity on a seed is enough."""
    config = configuration.load("quick", ("toy2d",))
    values = {"identity": (1.0, 1.0, 1.0), "otcfm": (0.1, 0.2, 0.1), "fm": (0.2, 0.1, 0.2), "icnn": (0.3, 0.4, 4e3)}
    rows = [
        {"dataset": "gaussian_moons", "method": m, "seed": s, "metric": "npe", "value": v}
        for m, mine in values.items()
        for s, v in zip((42, 43, 44), mine, strict=True)
    ]
    moons = column(config, "toy2d", "gaussian_moons")
    assert moons is not None
    assert comparison._best(config, "toy2d", pd.DataFrame(rows), moons, "npe").names == {"otcfm", "fm"}
    kept = pd.DataFrame([r for r in rows if r["method"] != "identity"])
    assert "icnn" in comparison._best(config, "toy2d", kept, moons, "npe").names


def test_a_metric_that_says_nothing_of_a_method_is_not_called_unmeasured() -> None:
    config = configuration.load("quick", ("mnist",)).whole()
    shown = column(config, "mnist", "mnist")
    assert shown is not None
    values = [("otcfm_classes", "w2"), ("otcfm_classes", "class_accuracy"), ("identity", "w2")]
    runs = pd.DataFrame(
        [{"dataset": "mnist", "method": m, "seed": 42, "metric": k, "value": 1.0, "status": "ok"} for m, k in values]
    )
    table = config.experiments["mnist"].tables["mnist"]

    def verdict(method: str, metric: str) -> str:
        return comparison._cell(config, table, runs, {}, method, shown, metric).verdict

    assert verdict("identity", "class_accuracy") == "not applicable"
    assert verdict("oracle", "class_accuracy") == "not measured"  # not run
    assert verdict("identity", "frechet_classifier") == "not measured"  # nobody has it
    assert verdict("identity", "w2") == "no published value"


def test_a_time_course_has_a_column_for_its_mean_and_one_for_every_left_out_time() -> None:
    """The published value stands beside the mean, which is over seeds that have every time."""
    config = configuration.load("paper", ("single_cell",)).whole()
    shown = columns(config, "single_cell")
    names = [found.name for found in shown]
    assert names[:4] == ["embryoid", "embryoid_without_1", "embryoid_without_2", "embryoid_without_3"]
    assert [found.paper for found in shown[:4]] == ["EB", None, None, None]
    rows = [
        {"dataset": f"embryoid_without_{k}", "method": "otcfm", "seed": s, "metric": "w1", "value": k + s}
        for k in (1, 2, 3)
        for s in (42, 43)
    ]
    assert shown[0].by_seed(pd.DataFrame(rows), "otcfm", "w1") == {42: 44.0, 43: 45.0}
    assert shown[0].by_seed(pd.DataFrame(rows[:-1]), "otcfm", "w1") == {42: 44.0}
    assert shown[1].by_seed(pd.DataFrame(rows), "otcfm", "w1") == {42: 43.0, 43: 44.0}
