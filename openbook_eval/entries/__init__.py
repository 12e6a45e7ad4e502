"""Where entries of knowledge come from: the providers that a run can name."""
