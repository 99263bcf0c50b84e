"""Tests of a webhook: a marked request through the real pipeline, and what would be without sending one."""
