"""Sampling: carry the evaluation points from t = 0 to 1 with every solver of the experiment.

Input: `data.npz`, and `model.safetensors` of methods that are trained. Output per seed: `samples/{solver}.npz`.
"""


def sample_inputs(experiment, seeds, wildcards):
    data = [str(LAYOUT.data(experiment, wildcards.dataset))]
    if not CONFIG.methods[wildcards.method].method.trained:
        return data
    return data + [str(LAYOUT.run(experiment, wildcards.dataset, wildcards.method, seed) / MODEL) for seed in seeds]


for experiment, chunks in TRAINED.items():
    for seeds, pairs in chunks.items():

        rule:
            name:
                f"sample_{CONFIG.job(experiment, seeds)}"
            input:
                functools.partial(sample_inputs, experiment, seeds),
            output:
                sample_files(experiment, seeds),
            log:
                log_file(experiment, "sample", seeds),
            wildcard_constraints:
                dataset=pair_of(pairs),
                method=OWN_METHODS,
            conda:
                "../../envs/cfm.yaml"
            threads: 1
            resources:
                mem_mb=memory(2000),
                runtime=minutes("sample"),
                gpu=CONFIG.gpus(experiment, "sample"),
            params:
                **run_parameters("sample", experiment, seeds),
            message:
                "sample {params.experiment}/{wildcards.dataset}/{wildcards.method}, seeds {params.seeds}"
            shell:
                RUN_COMMAND
