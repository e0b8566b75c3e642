"""CDK entry: reads the stage, composes the stacks, nothing else."""

from __future__ import annotations

import sys

import aws_cdk as cdk

from carillon.errors import ConfigError
from stacks import stage
from stacks.compose import compose

app = cdk.App()
try:
    stage.check_names(app.node.get_all_context())
    compose(app, stage.read(app.node.try_get_context))
except ConfigError as error:
    sys.exit(f"{error.code}: {error.message}")
app.synth()
