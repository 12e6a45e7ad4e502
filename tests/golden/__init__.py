"""What users see, pinned: golden files and the tests that hold the code to them."""

import pytest

pytest.register_assert_rewrite("tests.golden.golden")
