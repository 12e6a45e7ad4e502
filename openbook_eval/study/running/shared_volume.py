"""Snakemake's command line where pods of Kubernetes share a volume: `python -m` this module, and Snakemake's options.

The plugin takes it that they share nothing: it would fetch and store every file, and install a storage plugin in every
pod. A study needs a shared volume anyway, for its steps read what those before them wrote.
"""

import sys
from importlib import import_module
from typing import Any


def main(arguments: list[str]) -> None:
    """Runs Snakemake with these arguments, and ends the process as it does."""
    settings: Any = import_module("snakemake_executor_plugin_kubernetes").common_settings
    settings.implies_no_shared_fs = False
    settings.job_deploy_sources = False
    settings.auto_deploy_default_storage_provider = False
    import_module("snakemake.cli").main(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
