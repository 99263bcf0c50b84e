"""Project phases: the parts of a project, in their order."""
