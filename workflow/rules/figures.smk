"""Figures, as png and pdf: one per data set from samples, or one for all data sets from `runs.csv`.

Input: `data.npz` and the samples of the figure's solver, or `runs.csv`. Output: `figures/{name}.{png,pdf}` or
`figures/{name}_{dataset}.{png,pdf}`.
"""


def figures_of(experiment):
    """(name, settings, file name pattern per suffix) of every figure of an experiment."""
    for name, figure in CONFIG.experiments[experiment].figures.items():
        dataset = "{dataset}" if shows(figure.kind) == "samples" else None
        yield name, figure, [str(LAYOUT.figure(experiment, name, dataset, suffix)) for suffix in FIGURE_SUFFIXES]


def figure_files():
    """Every figure of every enabled experiment."""
    return sorted(
        {
            pattern.format(dataset=dataset)
            for experiment, settings in CONFIG.experiments.items()
            for _, _, patterns in figures_of(experiment)
            for pattern in patterns
            for dataset in settings.datasets
        }
    )


def figure_inputs(experiment, figure, wildcards):
    """`runs.csv`, or the samples of the first seed of every trained method."""
    if shows(figure.kind) == "runs":
        return [str(LAYOUT.runs(experiment))]
    seed = CONFIG.experiments[experiment].seeds[0]
    runs = [
        LAYOUT.run(experiment, dataset, method, seed)
        for dataset, method in CONFIG.pairs(experiment)
        if dataset == wildcards.dataset and CONFIG.methods[method].method.trained
    ]
    samples = [str(LAYOUT.samples(run, figure.solver)) for run in runs]
    return [str(LAYOUT.data(experiment, wildcards.dataset)), *samples]


for experiment in CHUNKS:
    for name, figure, patterns in figures_of(experiment):
        per_dataset = shows(figure.kind) == "samples"

        rule:
            name:
                f"figure_{experiment}_{name}"
            input:
                functools.partial(figure_inputs, experiment, figure),
            output:
                patterns,
            log:
                str(LAYOUT.log(f"{experiment}/{{dataset}}/{name}" if per_dataset else f"{experiment}/{name}")),
            conda:
                "../../envs/cfm.yaml"
            params:
                budget=CONFIG.budget,
                experiment=experiment,
                figure=name,
                dataset="--dataset {dataset}" if per_dataset else "",
                shown=shown(experiment, figure),
                code=commands.stage_digest("figure", f"cfm.figures.{figure.kind}"),
            message:
                "figure {params.experiment}/{params.figure} {params.dataset}"
            shell:
                "python -m cfm figure --budget {params.budget} --experiment {params.experiment}"
                " --name {params.figure} {params.dataset} > {log} 2>&1"
