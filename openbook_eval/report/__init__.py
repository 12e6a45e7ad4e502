"""Exams and scores laid out for the terminal."""

from openbook_eval.report.exam import exam_report
from openbook_eval.report.scores import rescored_report, scores_table

__all__ = ["exam_report", "rescored_report", "scores_table"]
