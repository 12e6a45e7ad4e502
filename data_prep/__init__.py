"""The training data: mixes of general and medical question-answer pairs."""
