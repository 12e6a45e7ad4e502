"""The embedded examinee: a tiny Qwen2 model that can read, so that the real engine runs with nothing downloaded."""

from openbook_eval.examinee.folder import copy_examinee, examinee_dir

__all__ = ["copy_examinee", "examinee_dir"]
