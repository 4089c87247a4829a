"""OT-CFM by the authors' package torchcfm (Tong et al. 2024), trained and sampled by a program without this project's code.

Input: `data.npz`. Output per seed: `samples/{solver}.npz`.
"""

for experiment, seeds in external_chunks("otcfm_torchcfm"):

    rule:
        name:
            f"otcfm_torchcfm_{experiment}_{seeds[0]}"
        input:
            str(LAYOUT.data(experiment, "{dataset}")),
        output:
            external_samples("otcfm_torchcfm", experiment, seeds),
        log:
            str(LAYOUT.log(f"{experiment}/{{dataset}}/otcfm_torchcfm-sample-{seeds[0]}")),
        priority: 1
        conda:
            "../../../envs/torchcfm.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes("train"),
        params:
            **external_parameters(
                "otcfm_torchcfm",
                experiment,
                seeds,
                "workflow/rules/methods/otcfm_torchcfm.py",
                "envs/torchcfm.txt",
            ),
            packages="" if CONDA else "--packages envs/torchcfm.txt",
        message:
            "train and sample {params.experiment}/{wildcards.dataset}/{params.method}, seeds {params.seeds}"
        shell:
            f"{EXTERNAL_COMMAND} {{params.packages}} -- python workflow/rules/methods/otcfm_torchcfm.py > {{log}} 2>&1"
