"""`python -m local.deploy`: the real CDK command line, on the real templates, into an emulated AWS on this machine."""
