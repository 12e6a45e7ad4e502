"""Exams and scores laid out for the terminal."""

from openbook_eval.report.audit import audit_json, audit_report
from openbook_eval.report.books import books_report
from openbook_eval.report.exam import exam_report

__all__ = [
    "audit_json",
    "audit_report",
    "books_report",
    "exam_report",
]
