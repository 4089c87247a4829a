"""What all rules share: the checked configuration, the names a wildcard may take, settings as parameters."""

import functools
import os
import sys
from pathlib import Path

from cfm.workflow import stage_code
from cfm import config as configuration
from cfm.errors import UserError
from cfm.config import Selection
from cfm.config.selection import names
from cfm.workflow.external import require_rules
from cfm.workflow.finished import with_finished
from cfm.workflow.seed_groups import note_groups
from cfm.results.figures.base import figure_paths, figures_due, kind_of, runs_shown
from cfm.artifacts.layout import (
    CLAIM_SUFFIXES,
    METHOD_RULES,
    METRICS,
    MODEL,
    RUN_FILES,
    TABLE_SUFFIXES,
    TRAINING_LOG,
    samples_path,
)
from cfm.fingerprint import canonical, digest, file_digest
from cfm.results.report import FILES as REPORT_FILES
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

try:
    NAMED = " ".join(names(str(config.get("experiments", ""))))  # the experiments that were asked for; all by default
    CHOSEN = Selection.parse(**{key: str(config.get(key) or "") for key in ("datasets", "methods", "seeds")})
    CONFIG = configuration.load(config.get("budget", "quick"), tuple(NAMED.split()), CHOSEN)
    require_rules(CONFIG)
    SHOWN = with_finished(CONFIG)  # what is made, and what was finished before
except UserError as error:
    raise WorkflowError(str(error))

LAYOUT = CONFIG.layout


def chunks_of(experiment):
    """The seeds that share a process, in groups, each with the pairs of data set and method that have it."""
    found = {}
    for dataset, method in CONFIG.pairs(experiment):
        for seeds in CONFIG.chunks(experiment, dataset, method):
            found.setdefault(seeds, []).append((dataset, method))
    return found


# The experiments that have runs (Table 1 has none), each with its chunks of seeds.
CHUNKS = {name: chunks_of(name) for name, settings in CONFIG.experiments.items() if settings.datasets}
# Those whose methods are trained and sampled; the others measure the regression target.
TRAINED = {name: chunks for name, chunks in CHUNKS.items() if CONFIG.experiments[name].objective is None}
# Those that have tables and figures.
REPORTED = [name for name, settings in SHOWN.experiments.items() if settings.datasets]


# The methods of this package; the others have rules in workflow/rules/methods.
OWN_METHODS = "|".join(name for name, named in CONFIG.methods.items() if not named.external)


wildcard_constraints:
    dataset="|".join(CONFIG.datasets),
    method="|".join(CONFIG.methods),


def one_of(datasets):
    """What the wildcard `dataset` may be: files of other data sets are there, or they are missing, but not made."""
    return "|".join(dict.fromkeys(datasets))


def pair_of(pairs):
    """The same where a rule has some pairs of data set and method; the method is looked for after it in a path."""
    methods = {}
    for dataset, method in pairs:
        methods.setdefault(dataset, []).append(method)
    found = "|".join(f"{dataset}/(?:{'|'.join(names)})/" for dataset, names in methods.items())
    return f"(?={found})(?:{one_of(methods)})"


def run_files(experiment, seeds, *names):
    """The named files in the folders of a chunk of runs; data set and method stay wildcards."""
    return [str(LAYOUT.run(experiment, "{dataset}", "{method}", seed) / name) for seed in seeds for name in names]


def sample_files(experiment, seeds):
    """The samples of all solvers of a chunk of runs."""
    return run_files(experiment, seeds, *(f"samples/{solver}.npz" for solver in CONFIG.experiments[experiment].solvers))


def distance_files(experiment, seeds, dataset="{dataset}"):
    """How far source and target are apart, if a metric of the experiment asks for it."""
    needed = CONFIG.needs_distances(experiment)
    return [str(LAYOUT.source_target(experiment, dataset, seed)) for seed in seeds if needed]


def shown(experiment, item):
    """What a table or figure shows besides numbers: a changed label or matrix makes it anew."""
    methods = [CONFIG.methods[name] for name in SHOWN.methods_of(experiment)]
    datasets = [CONFIG.datasets[name] for name in SHOWN.experiments[experiment].datasets]
    return canonical([item, methods, datasets])


def in_report(path, caption, experiment, **labels):
    """The path, to be shown by `snakemake --report` too."""
    category = CONFIG.experiments[experiment].title
    return report(path, caption=f"../report/{caption}.rst", category=category, labels=labels)


def log_file(experiment, stage, seeds):
    return str(LAYOUT.log(f"{experiment}/{{dataset}}/{{method}}-{stage}-{seeds[0]}"))


def settings_of(stage, experiment, wildcards):
    """The resolved settings of a run: a change of them reruns the stage."""
    stage = "evaluate" if stage == "objective" else stage
    return CONFIG.spec(stage, experiment, wildcards.dataset, wildcards.method)


def spec_digest(stage, experiment, wildcards):
    """What the job compares its own reading of config/ with."""
    return digest(settings_of(stage, experiment, wildcards))


def code_of(stage, wildcards):
    """Digest of the code of a stage: an edit reruns it, a comment does not."""
    return stage_code.run_code(CONFIG, stage, wildcards.dataset, wildcards.method)


def run_parameters(stage, experiment, seeds):
    """The `params` of a rule that runs `python -m cfm <stage>` for a chunk of seeds."""
    return {
        "stage": stage,
        "budget": CONFIG.budget,
        "experiment": experiment,
        "seeds": list(seeds),
        "settings": functools.partial(settings_of, stage, experiment),
        "spec": functools.partial(spec_digest, stage, experiment),
        "code": functools.partial(code_of, stage),
    }


RUN_COMMAND = (
    "python -m cfm {params.stage} --budget {params.budget} --experiment {params.experiment}"
    " --dataset {wildcards.dataset} --method {wildcards.method} --seeds {params.seeds}"
    " --spec {params.spec} > {log} 2>&1"
)


def external_chunks(method):
    """(experiment, seeds) of the jobs of an external method: none where no enabled experiment has it."""
    if method not in CONFIG.methods or not CONFIG.methods[method].external:
        raise WorkflowError(f"workflow/rules/methods: '{method}' is no entry with family 'external' in methods.yaml")
    return [
        (name, seeds)
        for name, chunks in TRAINED.items()
        for seeds, pairs in chunks.items()
        if any(method == name for _, name in pairs)
    ]


def external_samples(method, experiment, seeds):
    """The samples that a job of an external method writes; the data set stays a wildcard."""
    datasets = one_of(dataset for dataset, name in TRAINED[experiment][seeds] if name == method)
    paths = sample_files(experiment, seeds)
    return [path.replace("{method}", method).replace("{dataset}", f"{{dataset,{datasets}}}") for path in paths]


def external_parameters(method, experiment, seeds, *files):
    """The `params` of a rule that runs EXTERNAL_COMMAND; an edit of one of the program's files runs it again."""

    def settings(wildcards):
        return CONFIG.spec("sample", experiment, wildcards.dataset, method)

    return {
        "budget": CONFIG.budget,
        "experiment": experiment,
        "method": method,
        "seeds": list(seeds),
        "settings": settings,
        "spec": lambda wildcards: digest(settings(wildcards)),
        "code": [file_digest(Path(file)) for file in files],
    }


def chosen(wildcards, output):
    """What is selected, as arguments; no settings of a rule: the same outcome of another selection is up to date."""
    return " ".join(f"--{key} '{text}'" for key, text in CHOSEN.text.items())


onstart:
    note_groups(CONFIG)


CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method

# Run by the Python of this workflow, whatever environment the program after `--` has.
os.environ["CFM_PYTHON"] = sys.executable


envvars:
    "CFM_PYTHON",


EXTERNAL_COMMAND = (
    '"$CFM_PYTHON" -m cfm external --budget {params.budget} --experiment {params.experiment}'
    " --dataset {wildcards.dataset} --method {params.method} --seeds {params.seeds} --spec {params.spec}"
)
