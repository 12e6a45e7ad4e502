"""Exam files of every kind, read into one typed ExamFile."""

from openbook_eval.exams.exam_file import ExamFile
from openbook_eval.exams.loading import DEFAULT_EXAM, EXAM_VARIABLE, load_exam, require

__all__ = ["DEFAULT_EXAM", "EXAM_VARIABLE", "ExamFile", "load_exam", "require"]
