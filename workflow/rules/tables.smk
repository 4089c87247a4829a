"""Tables: the metrics of all runs in `runs.csv`, and from it each table as csv, markdown and LaTeX.

Input: `metrics.json` of every run, `config/paper.yaml`. Output: `runs.csv`, `tables/{name}.{csv,md,tex}`.
"""


def all_metrics(experiment):
    return [str(folder / METRICS) for folder in SHOWN.runs(experiment).values()]


def table_files():
    """Every table of every enabled experiment."""
    return [
        str(LAYOUT.table(experiment, name, suffix))
        for experiment, settings in SHOWN.experiments.items()
        for name in settings.tables
        for suffix in TABLE_SUFFIXES
    ]


for experiment in REPORTED:

    rule:
        name:
            f"collect_{experiment}"
        input:
            all_metrics(experiment),
        output:
            str(LAYOUT.runs(experiment)),
        log:
            str(LAYOUT.log(f"{experiment}/collect")),
        localrule: True
        conda:
            "../../envs/cfm.yaml"
        params:
            budget=CONFIG.budget,
            experiment=experiment,
            chosen=chosen,
            code=stage_code.stage_digest("collect"),
        message:
            "collect {params.experiment}"
        shell:
            "python -m cfm collect --budget {params.budget} --experiment {params.experiment} {params.chosen}"
            " > {log} 2>&1"


for experiment, settings in SHOWN.experiments.items():
    for name, table in settings.tables.items():

        rule:
            name:
                f"table_{experiment}_{name}"
            input:
                str(configuration.FOLDER / "paper.yaml"),
                [str(LAYOUT.runs(experiment))] if experiment in REPORTED else [],
            output:
                in_report(str(LAYOUT.table(experiment, name, TABLE_SUFFIXES[0])), "table", experiment, table=name),
                [str(LAYOUT.table(experiment, name, suffix)) for suffix in TABLE_SUFFIXES[1:]],
            log:
                str(LAYOUT.log(f"{experiment}/{name}")),
            localrule: True
            conda:
                "../../envs/cfm.yaml"
            params:
                budget=CONFIG.budget,
                experiment=experiment,
                table=name,
                chosen=chosen,
                shown=shown(experiment, table),
                code=stage_code.stage_digest("table", f"cfm.results.tables.{table.kind}"),
            message:
                "table {params.experiment}/{params.table}"
            shell:
                "python -m cfm table --budget {params.budget} --experiment {params.experiment}"
                " --name {params.table} {params.chosen} > {log} 2>&1"
