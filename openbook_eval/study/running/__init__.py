"""Running the steps of a study on Snakemake, on this machine or a cluster."""
