# Physical names from the stacks: nothing but SQS lanes has a name of its own choice.
#   STAGE=prod; . docs/runbooks/names.sh; name realtime CriticalConsumerFunction
name() { # stack, logical id without its last eight characters
  aws cloudformation list-stack-resources --stack-name "carillon-${STAGE:?STAGE=dev, staging or prod}-$1" --output text \
    --query "StackResourceSummaries[?starts_with(LogicalResourceId, '$2') && length(LogicalResourceId) == \`$((${#2} + 8))\`].PhysicalResourceId"
}
url() { # the console's and API's address
  aws cloudformation describe-stacks --stack-name "carillon-${STAGE:?STAGE=dev, staging or prod}-edge" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='Url'].OutputValue"
}
