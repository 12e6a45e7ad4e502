"""Exams and scores laid out for the terminal."""

from openbook_eval.report.audit import audit_json, audit_report
from openbook_eval.report.books import books_report
from openbook_eval.report.exam import exam_report
from openbook_eval.report.reading import reading_report
from openbook_eval.report.scores import rescored_report, scores_table

__all__ = [
    "audit_json",
    "audit_report",
    "books_report",
    "exam_report",
    "reading_report",
    "rescored_report",
    "scores_table",
]
