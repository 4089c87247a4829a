"""Evaluation: every metric of the experiment on the samples, whoever made them.

Input: `data.npz`, `samples/{solver}.npz`, and for NPE how far source and target are apart (source_target.smk).
Output per seed: `metrics.json`, `spec.json`, `provenance.json`.
"""


def evaluate_inputs(experiment, seeds, wildcards):
    samples = (path.format(**wildcards) for path in sample_files(experiment, seeds))
    data = str(LAYOUT.data(experiment, wildcards.dataset))
    return [data, *samples, *distance_files(experiment, seeds, wildcards.dataset)]


for experiment, chunks in TRAINED.items():
    for seeds, pairs in chunks.items():

        rule:
            name:
                f"evaluate_{CONFIG.job(experiment, seeds)}"
            input:
                functools.partial(evaluate_inputs, experiment, seeds),
            output:
                run_files(experiment, seeds, *RUN_FILES),
            log:
                log_file(experiment, "evaluate", seeds),
            wildcard_constraints:
                dataset=pair_of(pairs),
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
