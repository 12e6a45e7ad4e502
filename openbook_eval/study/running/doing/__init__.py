"""Doing a step: one process a step, which leaves a receipt when it is done, or says in one line why it is not.

This package starts in a fraction of a second: what is heavy runs in commands of its own.
"""

# What the runner tells those who work beside it on one machine: the cards that they share, and how many work at once.
# And, wherever they are, where it was started.
CARDS, JOBS, ORIGIN = "OPENBOOK_STUDY_CARDS", "OPENBOOK_STUDY_JOBS", "OPENBOOK_STUDY_ORIGIN"
