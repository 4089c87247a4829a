"""What surrounds Snakemake: jobs, their states, schedulers, programs of other packages."""
