"""Figures, as png and pdf (or gif) with a caption: one per data set from data or samples, or one for all data sets.

Input: `data.npz` and the samples of the figure's solver; or every run's `train.csv`; or `runs.csv`. Output:
`figures/{name}.{png,pdf,md}` or `figures/{name}_{dataset}.{png,pdf,md}`.
"""


def figures_of(experiment):
    """(name, settings, file name pattern per suffix) of every figure of an experiment."""
    for name, figure in SHOWN.experiments[experiment].figures.items():
        dataset = "{dataset}" if kind_of(figure).per_dataset else None
        paths = [LAYOUT.figure(experiment, name, dataset, suffix) for suffix in kind_of(figure).suffixes]
        yield name, figure, [str(path) for path in paths]


def figure_files():
    """Every figure of every enabled experiment."""
    return sorted(
        str(path)
        for experiment in REPORTED
        for name, dataset in figures_due(SHOWN, experiment)
        for path in figure_paths(SHOWN, experiment, name, dataset).values()
    )


def figure_inputs(experiment, figure, wildcards):
    """What the figure's kind is drawn from."""
    source = kind_of(figure).shows
    if source == "runs":
        return [str(LAYOUT.runs(experiment))]
    dataset = wildcards.dataset if kind_of(figure).per_dataset else None
    runs = runs_shown(SHOWN, experiment, figure, dataset)
    if source == "training":
        return [str(run / TRAINING_LOG) for run in runs]
    data = [str(LAYOUT.data(experiment, dataset))]
    return data if source == "data" else data + [str(samples_path(run, figure.solver)) for run in runs]


for experiment in REPORTED:
    for name, figure, patterns in figures_of(experiment):

        rule:
            name:
                f"figure_{experiment}_{name}"
            input:
                functools.partial(figure_inputs, experiment, figure),
            output:
                in_report(
                    patterns[0],
                    "figure",
                    experiment,
                    figure=name,
                    data="{dataset}" if kind_of(figure).per_dataset else "all",
                ),
                patterns[1:],
            log:
                str(
                    LAYOUT.log(
                        f"{experiment}/{{dataset}}/{name}" if kind_of(figure).per_dataset else f"{experiment}/{name}"
                    )
                ),
            localrule: True
            conda:
                "../../envs/cfm.yaml"
            params:
                budget=CONFIG.budget,
                experiment=experiment,
                figure=name,
                dataset="--dataset {dataset}" if kind_of(figure).per_dataset else "",
                chosen=chosen,
                shown=shown(experiment, figure),
                code=stage_code.stage_digest("figure", f"cfm.results.figures.{figure.kind}"),
            message:
                "figure {params.experiment}/{params.figure} {params.dataset}"
            shell:
                "python -m cfm figure --budget {params.budget} --experiment {params.experiment}"
                " --name {params.figure} {params.dataset} {params.chosen} > {log} 2>&1"
