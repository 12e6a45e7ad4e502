"""From a study to the steps that it takes, and what they are expected to need."""
