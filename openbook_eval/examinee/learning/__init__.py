"""How the embedded examinee learned to read: from scratch, from text that this room makes itself.

`python -m openbook_eval.examinee.learning --out FOLDER` does it again; the model's card has its recipe and its scores.
"""
