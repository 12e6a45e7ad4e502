"""Doing one step: `python -m openbook_eval.study.doing GRAPH STEP`, as the rules of the Snakefile call it."""
