"""The training data: mixes of general and medical question-answer pairs. Nothing is built here yet."""
