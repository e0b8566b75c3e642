"""What `cdk deploy` makes in an AWS account: one file per stack, `compose.py` ties them, `stage.py` sizes them."""
