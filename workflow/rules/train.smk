"""Training: a method on a data set, a chunk of seeds in one process.

Input: `data.npz`, and `model.safetensors` of the method's teacher if it has one. Output per seed: `model.safetensors` (best and last network) and `train.csv`.
Half-finished training is kept under `.resume/` and goes on where it stopped.
"""


def train_inputs(experiment, seeds, wildcards):
    data = [str(LAYOUT.data(experiment, wildcards.dataset))]
    teacher = CONFIG.methods[wildcards.method].method.teacher
    if teacher is None:
        return data
    return data + [str(LAYOUT.run(experiment, wildcards.dataset, teacher, s) / MODEL) for s in seeds]


for experiment, chunks in TRAINED.items():
    for seeds, pairs in chunks.items():

        rule:
            name:
                f"train_{CONFIG.job(experiment, seeds)}"
            input:
                functools.partial(train_inputs, experiment, seeds),
            output:
                run_files(experiment, seeds, MODEL, TRAINING_LOG),
            log:
                log_file(experiment, "train", seeds),
            wildcard_constraints:
                dataset=pair_of(pairs),
                method=OWN_METHODS,
            priority: 1
            conda:
                "../../envs/cfm.yaml"
            threads: CONFIG.main.coupling_workers
            resources:
                mem_mb=memory(2000),
                runtime=minutes("train"),
                gpu=CONFIG.gpus(experiment, "train"),
            params:
                **run_parameters("train", experiment, seeds),
            message:
                "train {params.experiment}/{wildcards.dataset}/{wildcards.method}, seeds {params.seeds}"
            shell:
                f"{RUN_COMMAND} --threads {{threads}}"
