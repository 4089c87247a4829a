"""How far source and target are apart: W2^2(q0, q1) of the test sets, which NPE divides by, a fact of data and seed.

Input: `data.npz`. Output per seed: `source_target/seed={seed}.json`.
"""


def own_chunks(experiment):
    """The groups of seeds of the jobs that data sets have to themselves, with these data sets."""
    found = {}
    for dataset in CONFIG.experiments[experiment].datasets if CONFIG.needs_distances(experiment) else ():
        for seeds in CONFIG.chunks(experiment, dataset):
            found.setdefault(seeds, []).append(dataset)
    return found


for experiment in TRAINED:
    for seeds, datasets in own_chunks(experiment).items():

        rule:
            name:
                f"source_target_{CONFIG.job(experiment, seeds)}"
            input:
                str(LAYOUT.data(experiment, "{dataset}")),
            output:
                distance_files(experiment, seeds),
            log:
                str(LAYOUT.log(f"{experiment}/{{dataset}}/source_target-{seeds[0]}")),
            wildcard_constraints:
                dataset=one_of(datasets),
            conda:
                "../../envs/cfm.yaml"
            threads: 1
            resources:
                mem_mb=memory(3000),
                runtime=minutes("source-target"),
            params:
                budget=CONFIG.budget,
                experiment=experiment,
                seeds=list(seeds),
                points=CONFIG.evaluated_points(experiment),
                code=stage_code.stage_digest("source-target"),
            message:
                "source and target of {params.experiment}/{wildcards.dataset}, seeds {params.seeds}"
            shell:
                "python -m cfm source-target --budget {params.budget} --experiment {params.experiment}"
                " --dataset {wildcards.dataset} --seeds {params.seeds} > {log} 2>&1"
