"""Model families: how each wants to be asked, its models by size, and what they are made of; one YAML file a family."""

from openbook_eval.profiles.loading import Profile, Size, profile, profiles, read_profile

__all__ = ["Profile", "Size", "profile", "profiles", "read_profile"]
