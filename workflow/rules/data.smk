"""Data (paper, sections 5.1 and 5.2).

Input: nothing (the two-dimensional problems are drawn), or a file that the data set names; where it lies does not
matter, only what is in it. Output: one `data.npz` per experiment and data set.
"""


def data_settings(experiment, wildcards):
    """The resolved settings; and what else tells that a file has changed, if it is one without a checksum."""
    stamp = CONFIG.datasets[wildcards.dataset].dataset.stamp()
    return CONFIG.spec("data", experiment, wildcards.dataset) + (stamp or "")


for experiment in CHUNKS:

    rule:
        name:
            f"data_{experiment}"
        output:
            str(LAYOUT.data(experiment, "{dataset}")),
        log:
            str(LAYOUT.log(f"{experiment}/{{dataset}}/data")),
        wildcard_constraints:
            dataset=one_of(CONFIG.experiments[experiment].datasets),
        conda:
            "../../envs/cfm.yaml"
        resources:
            mem_mb=memory(2000),
            runtime=minutes("data"),
        params:
            budget=CONFIG.budget,
            experiment=experiment,
            settings=functools.partial(data_settings, experiment),
            code=lambda wildcards: stage_code.data_code(CONFIG, wildcards.dataset),
        message:
            "prepare {params.experiment}/{wildcards.dataset}"
        shell:
            "python -m cfm data --budget {params.budget} --experiment {params.experiment}"
            " --dataset {wildcards.dataset} > {log} 2>&1"
