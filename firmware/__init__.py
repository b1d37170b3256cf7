"""The lamppost node: boot stage, application, and the build of signed images."""
