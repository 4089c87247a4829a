"""Figures: one per data set, as png and pdf.

Input: `data.npz` and the samples of the figure's solver. Output: `figures/{name}_{dataset}.{png,pdf}`.
"""


def figure_files():
    """Every figure of every enabled experiment."""
    return [
        str(LAYOUT.figure(experiment, name, dataset, suffix))
        for experiment, settings in CONFIG.experiments.items()
        for name in settings.figures
        for dataset in settings.datasets
        for suffix in FIGURE_SUFFIXES
    ]


def figure_inputs(experiment, figure, wildcards):
    """The samples of the first seed of every trained method."""
    settings = CONFIG.experiments[experiment]
    runs = [
        LAYOUT.run(experiment, dataset, method, settings.seeds[0])
        for dataset, method in CONFIG.pairs(experiment)
        if dataset == wildcards.dataset and CONFIG.methods[method].method.trained
    ]
    samples = [str(LAYOUT.samples(run, figure.solver)) for run in runs]
    return [str(LAYOUT.data(experiment, wildcards.dataset)), *samples]


for experiment, settings in CONFIG.experiments.items():
    for name, figure in settings.figures.items():

        rule:
            name:
                f"figure_{experiment}_{name}"
            input:
                functools.partial(figure_inputs, experiment, figure),
            output:
                [str(LAYOUT.figure(experiment, name, "{dataset}", s)) for s in FIGURE_SUFFIXES],
            log:
                str(LAYOUT.log(f"{experiment}/{{dataset}}/{name}")),
            conda:
                "../../envs/cfm.yaml"
            params:
                budget=CONFIG.budget,
                experiment=experiment,
                figure=name,
                shown=shown(experiment, figure),
                code=commands.stage_digest("figure", f"cfm.figures.{figure.kind}"),
            message:
                "figure {params.experiment}/{params.figure} of {wildcards.dataset}"
            shell:
                "python -m cfm figure --budget {params.budget} --experiment {params.experiment}"
                " --name {params.figure} --dataset {wildcards.dataset} > {log} 2>&1"
