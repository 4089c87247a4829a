"""The report: one page with the verdicts, tables, figures, trajectories and learning curves of all experiments.

Input: the tables, figures and claims, and through them all runs. Output: `report.html`.
"""


rule report:
    input:
        table_files(),
        figure_files(),
        rules.claims.output,
        sorted(os.path.relpath(path) for path in REPORT_FILES.iterdir()),
    output:
        str(LAYOUT.report),
    log:
        str(LAYOUT.log("report")),
    localrule: True
    conda:
        "../../envs/cfm.yaml"
    params:
        budget=CONFIG.budget,
        experiments=NAMED,
        chosen=chosen,
        shown=canonical([CONFIG.methods, CONFIG.datasets, SHOWN.experiments]),
        code=stage_code.stage_digest("report"),
    message:
        "write the report"
    shell:
        "python -m cfm report --budget {params.budget} --experiments '{params.experiments}' {params.chosen}"
        " > {log} 2>&1"
