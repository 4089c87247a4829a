"""Data (paper, section 5.1).

Input: nothing (the two-dimensional problems are drawn). Output: one `data.npz` per experiment and data set.
"""

for experiment in CHUNKS:

    rule:
        name:
            f"data_{experiment}"
        output:
            str(LAYOUT.data(experiment, "{dataset}")),
        log:
            str(LAYOUT.log(f"{experiment}/{{dataset}}/data")),
        conda:
            "../../envs/cfm.yaml"
        params:
            budget=CONFIG.budget,
            experiment=experiment,
            settings=functools.partial(
                lambda experiment, wildcards: CONFIG.spec("data", experiment, wildcards.dataset), experiment
            ),
            code=lambda wildcards: commands.data_code(CONFIG, wildcards.dataset),
        message:
            "prepare {params.experiment}/{wildcards.dataset}"
        shell:
            "python -m cfm data --budget {params.budget} --experiment {params.experiment}"
            " --dataset {wildcards.dataset} > {log} 2>&1"
