"""A study: a grid of models, mixes and recipes, from raw data to the curves beside the paper's, in one file."""
