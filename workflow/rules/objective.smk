"""The variance of the objective (paper, appendix C.1 and Figs. D.4, D.8): nothing is trained.

Input: `data.npz`. Output per seed: `metrics.json`, `spec.json`, `provenance.json`, as evaluation writes them.
"""

for experiment, chunks in CHUNKS.items():
    for seeds, pairs in chunks.items() if experiment not in TRAINED else ():

        rule:
            name:
                f"objective_{CONFIG.job(experiment, seeds)}"
            input:
                str(LAYOUT.data(experiment, "{dataset}")),
            output:
                run_files(experiment, seeds, *RUN_FILES),
            log:
                log_file(experiment, "objective", seeds),
            wildcard_constraints:
                dataset=pair_of(pairs),
            conda:
                "../../envs/cfm.yaml"
            threads: 1
            resources:
                mem_mb=memory(2000),
                runtime=minutes("objective"),
            params:
                **run_parameters("objective", experiment, seeds),
            message:
                "objective {params.experiment}/{wildcards.dataset}/{wildcards.method}, seeds {params.seeds}"
            shell:
                RUN_COMMAND
