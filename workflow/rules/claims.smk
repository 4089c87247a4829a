"""Claims: the paper's statements, each with a verdict.

Input: `config/claims.yaml` and `runs.csv` of every experiment. Output: `claims.{csv,md}`.
"""


rule claims:
    input:
        str(configuration.FOLDER / "claims.yaml"),
        [str(LAYOUT.runs(experiment)) for experiment in REPORTED],
    output:
        report(
            str(LAYOUT.claims(CLAIM_SUFFIXES[0])),
            caption="../report/claims.rst",
            category="Claims",
            labels={"claims": "all"},
        ),
        [str(LAYOUT.claims(suffix)) for suffix in CLAIM_SUFFIXES[1:]],
    log:
        str(LAYOUT.log("claims")),
    localrule: True
    conda:
        "../../envs/cfm.yaml"
    params:
        budget=CONFIG.budget,
        experiments=NAMED,
        chosen=chosen,
        shown=canonical({name: named.entry.label for name, named in CONFIG.datasets.items()}),
        code=stage_code.stage_digest("claims"),
    message:
        "judge the paper's claims"
    shell:
        "python -m cfm claims --budget {params.budget} --experiments '{params.experiments}' {params.chosen}"
        " > {log} 2>&1"
