"""Rows that contain an exam item, found before a mix is made."""

from data_prep.decontamination.guard import Guard, Match

__all__ = ["Guard", "Match"]
