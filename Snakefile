"""The paper, from data to tables: `make reproduce`, or `snakemake --workflow-profile workflow/profiles/local`.

Read on in the order of the paper's method section: what is run is in config/, how in cfm/.
"""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sample.smk"


for file in sorted(map(str, METHOD_RULES.glob("*.smk"))):

    include: file


include: "workflow/rules/source_target.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/objective.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"


localrules:
    all,


# Everything of the enabled experiments: tables, figures, claims and the report, and through them all runs.
rule all:
    default_target: True
    input:
        table_files(),
        figure_files(),
        rules.claims.output,
        rules.report.output,
