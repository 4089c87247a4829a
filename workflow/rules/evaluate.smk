"""Evaluation: every metric of the experiment on the samples, whoever made them.

Input: `data.npz`, `samples/{solver}.npz`, and the identity control's metrics (its W2^2 is the distance from
source to target that the path energy is divided by). Output per seed: `metrics.json`, `spec.json`,
`provenance.json`.
"""


def evaluate_inputs(experiment, seeds, wildcards):
    wanted = [str(LAYOUT.data(experiment, wildcards.dataset))]
    for path in sample_files(experiment, seeds):
        wanted.append(path.format(dataset=wildcards.dataset, method=wildcards.method))
    if wildcards.method != "identity":
        for path in run_files(experiment, seeds, METRICS):
            wanted.append(path.format(dataset=wildcards.dataset, method="identity"))
    return wanted


for experiment, chunks in TRAINED.items():
    for seeds in chunks:

        rule:
            name:
                f"evaluate_{experiment}_{seeds[0]}"
            input:
                functools.partial(evaluate_inputs, experiment, seeds),
            output:
                run_files(experiment, seeds, *RUN_FILES),
            log:
                log_file(experiment, "evaluate", seeds),
            conda:
                "../../envs/cfm.yaml"
            threads: 1
            resources:
                mem_mb=memory(3000),
                runtime=minutes("evaluate"),
            params:
                **run_parameters("evaluate", experiment, seeds),
            message:
                "evaluate {params.experiment}/{wildcards.dataset}/{wildcards.method}, seeds {params.seeds}"
            shell:
                RUN_COMMAND
