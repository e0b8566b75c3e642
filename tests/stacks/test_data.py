"""The stores: encrypted, logged in to by IAM, sized and kept as the stage says; migrations before new code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carillon.config import MigrationSettings, PlanSettings, StoreSettings, variable
from carillon.errors import ConfigError
from carillon.names import DATABASE_LOGIN, DATABASE_NAME, DATABASE_OWNER
from stacks import stage as stages
from stacks.command_line import ROOT
from stacks.parts.migration import fingerprint
from tests.stacks.synthesised import Template, resources, templates

STAGES = ("dev", "prod")
BROUGHT = {"database_url": "postgresql://me:secret@db.example:5433/mine", "valkey_url": "valkey://cache.example:6380"}


def one(template: Template, kind: str) -> dict[str, Any]:
    (found,) = resources(template, kind).values()
    return dict(found["Properties"])


def data(stage: str) -> Template:
    return templates(stage)["data"]


def named(template: Template, kind: str) -> str:
    (name,) = resources(template, kind)
    return name


def key(stage: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [named(data(stage), "AWS::KMS::Key"), "Arn"]}


@pytest.mark.parametrize("stage", STAGES)
def test_postgresql_is_the_version_that_the_tests_run(stage: str) -> None:
    pinned = next(line for line in (ROOT / "requirements-local.txt").read_text().splitlines() if "postgres" in line)
    cluster = one(data(stage), "AWS::RDS::DBCluster")
    assert (cluster["Engine"], cluster["DatabaseName"]) == ("aurora-postgresql", DATABASE_NAME)
    assert pinned.split("==")[1].startswith(f"{cluster['EngineVersion']}.")


@pytest.mark.parametrize("stage", STAGES)
def test_postgresql_is_encrypted_at_rest_and_on_the_way(stage: str) -> None:
    cluster = one(data(stage), "AWS::RDS::DBCluster")
    assert (cluster["StorageEncrypted"], cluster["KmsKeyId"]) == (True, key(stage))
    assert cluster["PerformanceInsightsKmsKeyId"] == key(stage)
    assert one(data(stage), "AWS::RDS::DBClusterParameterGroup")["Parameters"]["rds.force_ssl"] == "1"
    assert one(data(stage), "AWS::KMS::Key")["EnableKeyRotation"] is True
    assert one(data(stage), "AWS::RDS::DBProxy")["RequireTLS"] is True


@pytest.mark.parametrize("stage", STAGES)
def test_postgresql_is_sized_as_the_stage_says(stage: str) -> None:
    wanted, found = stages.STAGES[stage], one(data(stage), "AWS::RDS::DBCluster")["ServerlessV2ScalingConfiguration"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (wanted.database_min_acu, wanted.database_max_acu)
    assert len(resources(data(stage), "AWS::RDS::DBInstance")) == 1 + wanted.readers
    tiers = sorted(
        one["Properties"]["PromotionTier"] for one in resources(data(stage), "AWS::RDS::DBInstance").values()
    )
    assert tiers[:2] == [0, 1], "one reader is as large as the writer and takes over from it"


def test_readers_grow_where_the_stage_lets_them() -> None:
    assert not resources(data("dev"), "AWS::ApplicationAutoScaling::ScalableTarget")
    target = one(data("prod"), "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["ScalableDimension"], target["ServiceNamespace"]) == ("rds:cluster:ReadReplicaCount", "rds")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (stages.STAGES["prod"].readers, 5)
    policy = one(data("prod"), "AWS::ApplicationAutoScaling::ScalingPolicy")
    metric = policy["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]
    assert metric["PredefinedMetricType"] == "RDSReaderAverageCPUUtilization"
    assert "/AWSServiceRoleForApplicationAutoScaling_RDSCluster" in json.dumps(target["RoleARN"])


def test_what_prod_keeps_outlives_a_mistake() -> None:
    (cluster,) = resources(data("prod"), "AWS::RDS::DBCluster").values()
    assert cluster["Properties"]["DeletionProtection"] is True
    assert cluster["Properties"]["BackupRetentionPeriod"] == stages.STAGES["prod"].backup_days
    for kind in ("AWS::RDS::DBCluster", "AWS::RDS::DBInstance", "AWS::SecretsManager::Secret", "AWS::KMS::Key"):
        for kept in resources(data("prod"), kind).values():
            assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("Retain", "Retain"), kind


def test_what_dev_makes_goes_with_its_stack() -> None:
    (cluster,) = resources(data("dev"), "AWS::RDS::DBCluster").values()
    assert cluster["Properties"].get("DeletionProtection") in (None, False)
    assert cluster["DeletionPolicy"] == "Delete"


@pytest.mark.parametrize("stage", STAGES)
def test_postgresqls_log_is_there_before_it_and_ends(stage: str) -> None:
    logs = resources(data(stage), "AWS::Logs::LogGroup")
    name, log = next((name, log) for name, log in logs.items() if "/aws/rds" in json.dumps(log))
    assert log["Properties"]["RetentionInDays"] == int(stages.STAGES[stage].log_days)
    for instance in resources(data(stage), "AWS::RDS::DBInstance").values():
        assert name in instance["DependsOn"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_owners_password_is_made_here_kept_secret_and_changed(stage: str) -> None:
    secret = one(data(stage), "AWS::SecretsManager::Secret")
    assert json.loads(secret["GenerateSecretString"]["SecretStringTemplate"]) == {"username": DATABASE_OWNER}
    assert secret["KmsKeyId"] == key(stage)
    rotation = one(data(stage), "AWS::SecretsManager::RotationSchedule")
    assert rotation["RotationRules"]["ScheduleExpression"] == "rate(30 days)"
    assert rotation["RotateImmediatelyOnUpdate"] is False


@pytest.mark.parametrize("stage", STAGES)
def test_the_proxy_knows_the_product_by_iam_on_both_sides_and_no_password(stage: str) -> None:
    proxy = one(data(stage), "AWS::RDS::DBProxy")
    assert proxy["DefaultAuthScheme"] == "IAM_AUTH"
    assert not proxy.get("Auth")
    assert one(data(stage), "AWS::RDS::DBProxyEndpoint")["TargetRole"] == "READ_ONLY"
    (endpoint,) = resources(data(stage), "AWS::RDS::DBProxyEndpoint").values()
    assert set(resources(data(stage), "AWS::RDS::DBProxyTargetGroup")) <= set(endpoint["DependsOn"])
    cluster = named(data(stage), "AWS::RDS::DBCluster")
    (role,) = (one for name, one in policies(data(stage)).items() if name.startswith("DatabaseProxy"))
    (statement,) = role
    assert statement["Action"] == "rds-db:connect"
    assert f'"{cluster}", "DBClusterResourceId"' in json.dumps(statement["Resource"])
    assert json.dumps(statement["Resource"]).endswith(f'/{DATABASE_LOGIN}"]]}}')


def policies(template: Template) -> dict[str, list[dict[str, Any]]]:
    found = resources(template, "AWS::IAM::Policy")
    return {name: one["Properties"]["PolicyDocument"]["Statement"] for name, one in found.items()}


@pytest.mark.parametrize("stage", STAGES)
def test_valkey_is_encrypted_and_as_many_as_the_stage_says(stage: str) -> None:
    wanted, cache = stages.STAGES[stage], one(data(stage), "AWS::ElastiCache::ReplicationGroup")
    assert (cache["Engine"], cache["CacheNodeType"]) == ("valkey", wanted.cache_node)
    assert (cache["TransitEncryptionEnabled"], cache["TransitEncryptionMode"]) == (True, "required")
    assert (cache["AtRestEncryptionEnabled"], cache["KmsKeyId"]) == (True, {"Ref": key(stage)["Fn::GetAtt"][0]})
    if wanted.cache_shards > 1:
        assert (cache["NumNodeGroups"], cache["ReplicasPerNodeGroup"]) == (wanted.cache_shards, wanted.cache_replicas)
        assert cache["CacheParameterGroupName"].endswith(".cluster.on")
        assert (cache["AutomaticFailoverEnabled"], cache["MultiAZEnabled"]) == (True, True)
    else:
        assert cache["NumCacheClusters"] == 1 + wanted.cache_replicas
        assert "cluster.on" not in cache["CacheParameterGroupName"]


@pytest.mark.parametrize("stage", STAGES)
def test_valkey_lets_one_user_in_by_iam_and_nobody_else(stage: str) -> None:
    user, group = one(data(stage), "AWS::ElastiCache::User"), one(data(stage), "AWS::ElastiCache::UserGroup")
    assert user["AuthenticationMode"] == {"Type": "iam"}
    assert user["UserId"] == user["UserName"], "ElastiCache's condition for IAM"
    assert group["UserIds"] == [{"Ref": named(data(stage), "AWS::ElastiCache::User")}]
    cache = one(data(stage), "AWS::ElastiCache::ReplicationGroup")
    assert cache["UserGroupIds"] == [{"Ref": named(data(stage), "AWS::ElastiCache::UserGroup")}]
    words = user["AccessString"].split()
    assert words[:4] == ["on", "~carillon:*", "resetchannels", "-@all"]
    assert not [word for word in words[4:] if word.startswith("+@") or word in {"+keys", "+flushall", "+scan"}]


def doors(stage: str) -> dict[str, dict[str, Any]]:
    """The variables of the functions that carry the flow."""
    found = resources(templates(stage)["realtime"], "AWS::Lambda::Function")
    variables = {name: one["Properties"].get("Environment", {}).get("Variables", {}) for name, one in found.items()}
    return {name: one for name, one in variables.items() if variable(StoreSettings, "database_url") in one}


@pytest.mark.parametrize("stage", STAGES)
def test_functions_know_no_password(stage: str) -> None:
    clustered = "true" if stages.STAGES[stage].cache_shards > 1 else "false"
    assert doors(stage)
    for name, variables in doors(stage).items():
        for url in ("database_url", "database_read_url"):
            text = json.dumps(variables[variable(StoreSettings, url)])
            assert f"postgresql://{DATABASE_LOGIN}@" in text, name
            assert f":5432/{DATABASE_NAME}?sslmode=verify-full" in text
        assert variables[variable(StoreSettings, "database_auth")] == "iam"
        assert variables[variable(StoreSettings, "valkey_auth")] == "iam"
        assert variables[variable(StoreSettings, "valkey_cluster")] == clustered
        assert "valkeys://carillon-" in json.dumps(variables[variable(StoreSettings, "valkey_url")])
        assert variables[variable(StoreSettings, "valkey_name")]


@pytest.mark.parametrize("stage", STAGES)
def test_functions_may_log_in_as_the_product_and_as_nobody_else(stage: str) -> None:
    said = [one for found in policies(templates(stage)["realtime"]).values() for one in found]
    into_stores = [one for one in said if "connect" in json.dumps(one["Action"]).lower()]
    assert {json.dumps(one["Action"]) for one in into_stores} == {'"rds-db:connect"', '"elasticache:Connect"'}
    for one in into_stores:
        where = one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]]
        assert "*" not in where
        if one["Action"] == "rds-db:connect":
            assert all(json.dumps(place).endswith(f'/{DATABASE_LOGIN}"]]}}') for place in where)


@pytest.mark.parametrize("stage", STAGES)
def test_migrations_run_when_they_change_and_after_the_database_is_there(stage: str) -> None:
    (migrated,) = resources(data(stage), "Custom::CarillonMigration").values()
    assert migrated["Properties"]["Phase"] == "pre"
    assert migrated["Properties"]["Migrations"] == fingerprint()
    for instance in resources(data(stage), "AWS::RDS::DBInstance"):
        assert instance in migrated["DependsOn"]
    function = resources(data(stage), "AWS::Lambda::Function")[migrated["Properties"]["ServiceToken"]["Fn::GetAtt"][0]]
    assert function["Properties"]["Handler"] == "lambdas.migrate.handler"
    assert int(migrated["Properties"]["ServiceTimeout"]) > function["Properties"]["Timeout"], "the answer comes first"


@pytest.mark.parametrize("stage", STAGES)
def test_only_the_migrations_may_read_the_owners_secret(stage: str) -> None:
    readers = [
        (room, name)
        for room, template in templates(stage).items()
        for name, statements in policies(template).items()
        if "secretsmanager:GetSecretValue" in json.dumps(statements)
    ]
    assert [(room, name.startswith("MigrationsMigrate")) for room, name in readers] == [("data", True)]


def test_a_changed_migration_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for source in ("carillon/sql/migrations", "carillon/adapters/postgres"):
        (tmp_path / source).mkdir(parents=True)
    monkeypatch.setattr("stacks.parts.migration.ROOT", tmp_path)
    seen = {fingerprint()}
    for text in ("SELECT 1", "SELECT 2"):
        (tmp_path / "carillon/sql/migrations/0001.pre.x.sql").write_text(text)
        seen.add(fingerprint())
    assert len(seen) == 3


def test_a_region_whose_databases_nobody_vouches_for_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"mx-central-1.*rds\.pem"):
        templates(
            "dev", regions="mx-central-1", callback_rps="2500", callback_burst="1250", cloudfront_prefix_list="pl-1"
        )


def test_stores_that_were_there_before_are_taken_and_migrated() -> None:
    made = templates("dev", **BROUGHT)
    for room in ("realtime", "service"):
        text = json.dumps(made[room])
        assert BROUGHT["database_url"] in text
        assert BROUGHT["valkey_url"] in text
        assert '"CARILLON_DATABASE_AUTH": "iam"' not in text
    functions = [one["Properties"] for one in resources(made["data"], "AWS::Lambda::Function").values()]
    migrate = next(one for one in functions if one["Handler"] == "lambdas.migrate.handler")
    variables = migrate["Environment"]["Variables"]
    assert variables[variable(MigrationSettings, "database_url")] == BROUGHT["database_url"]
    assert variable(MigrationSettings, "owner_secret") not in variables
    ports = {
        rule["ToPort"]
        for group in resources(made["network"], "AWS::EC2::SecurityGroup").values()
        for rule in group["Properties"].get("SecurityGroupEgress", [])
        if rule["IpProtocol"] == "tcp"
    }
    assert {5433, 6380} <= ports


def test_a_database_that_was_there_before_is_planned_by_whoever_made_it() -> None:
    """The planner is told of no cluster and has no right to size one; everything else it plans all the same."""
    capacity = templates("dev", **BROUGHT)["capacity"]
    (plan,) = (
        one["Properties"]["Environment"]["Variables"]
        for one in resources(capacity, "AWS::Lambda::Function").values()
        if one["Properties"]["Handler"] == "lambdas.plan.handler"
    )
    assert plan[variable(PlanSettings, "database")] == ""
    assert plan[variable(PlanSettings, "readers_scale")] == "false"
    rights = json.dumps(list(resources(capacity, "AWS::IAM::Policy").values()))
    assert "rds:" not in rights
    assert "ecs:UpdateService" in rights
