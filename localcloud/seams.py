"""Everything that is used of the emulator's inside, in one list, checked before it starts.

The emulator is untyped and promises nothing about these names; all access to it goes
through here.
"""

import os
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from localcloud.errors import LocalCloudError

VERSION = "1.5.33"
_CLOUDFORMATION = "ministack.services.cloudformation"
NAMES: dict[str, tuple[str, ...]] = {
    "ministack.app": ("AUTH", "app"),
    "ministack.core.iam_actions": ("extract_resource_arn",),
    "ministack.core.iam_evaluator": (
        *("AuthError", "EvalContext", "_action_matches", "_conditions_met", "_resource_matches"),
        *("enforce", "evaluate", "is_root_access_key", "resolve_principal"),
    ),
    "ministack.core.responses": ("get_account_id", "get_region", "request_scope"),
    "ministack.services.ec2": (
        *("_ACTION_MAP", "_STUB_AMIS", "_DEFAULT_SG_ID", "_DEFAULT_SUBNET_ID"),
        *("_DEFAULT_SUBNET_ID_B", "_DEFAULT_SUBNET_ID_C", "_DEFAULT_VPC_ID", "_DEFAULT_RTB_ID"),
        *("_addresses", "_default_initialized_scopes", "_describe_images", "_error"),
        *("_init_defaults", "_instance_xml", "_instances", "_internet_gateways", "_key_pairs"),
        *("_launch_instances_internal", "_launch_templates", "_matches_filters", "_now_ts", "_p"),
        "_parse_filters",
        *("_parse_member_list", "_parse_tag_specs", "_resolve_iam_instance_profile"),
        *("_resource_matches_tag_filters", "_route_tables"),
        *("_security_groups", "_stub_image_view", "_subnets", "_tag_set_xml"),
        *("_tags", "_volumes", "_vpcs", "_xml"),
    ),
    "ministack.services.iam": (
        *("_gen_secret", "_gen_session_access_key", "_gen_session_token", "_instance_profiles"),
        *("_lookup_instance_profile", "_roles"),
    ),
    "ministack.services.sts": ("register_session",),
    "ministack.services.ssm": (
        *("_PUBLIC_AMI_PARAMETERS", "_get_parameter", "_parameters", "_put_parameter"),
    ),
    "ministack.services.alb": (
        *("_ACTION_MAP", "_error", "_lb_attrs", "_lbs", "_listener_attrs", "_listeners"),
        *("_now_iso", "_short_id", "_tags", "_tg_attrs", "_tgs", "_xml"),
    ),
    "ministack.services.autoscaling": (
        *("_ACTION_MAP", "_asgs", "_delete_group_hooks", "_delete_group_policies", "_error"),
        *("_hook_record", "_hooks", "_parse_nested", "_policies", "_tags", "_xml"),
    ),
    "ministack.services.cloudwatch": (
        *("_alarms", "_calc_stats", "_cbor_metric_data_result", "_cbor_ok", "_dashboards"),
        *("_dims_from_list", "_dims_key", "_dispatch_alarm_actions", "_error", "_evaluate_alarm"),
        *("_evaluate_all_alarms", "_evaluate_parent_alarms", "_get_metric_data"),
        *("_history_entries", "_is_percentile_stat", "_json_ok", "_metric_bucket", "_metrics"),
        *("_parse_ts", "_put_dashboard", "_put_metric_alarm", "_record_history"),
        *("_resource_tags", "_stat_value", "_ts_iso", "cloudformation_delete_dashboard"),
        *("cloudformation_delete_metric_alarm", "cloudformation_put_dashboard"),
        *("cloudformation_set_metric_alarm_tags", "record_metric"),
    ),
    "ministack.services.cloudwatch_logs": (
        *("_VALID_RETENTION_DAYS", "_filter_log_events", "_log_groups", "_metric_filters"),
        *("_put_log_events", "_put_metric_filter"),
        *("_resolve_log_group_name", "error_response_json", "handle_request", "json_response"),
    ),
    f"{_CLOUDFORMATION}.provisioners": (
        *("_CONDITIONALLY_REPLACING_PROPERTIES", "_REPLACING_PROPERTIES", "_RESOURCE_HANDLERS"),
        *("_STACK_TAG_PROPERTY", "_ec2_apply_tags", "_physical_name", "_reconcile_tag_list"),
    ),
    f"{_CLOUDFORMATION}.stacks": ("_runs_on_worker_thread",),
}


@dataclass(frozen=True)
class Emulator:
    """The emulator's modules; their attributes are the names in NAMES.

    Attributes:
        app: The server; its attribute app is the ASGI application.
        actions: What a call does, and to what.
        evaluator: Policies.
        responses: Account and region of the request that is being answered.
        ec2: The EC2 API and its records.
        iam: Roles and instance profiles.
        sts: Temporary credentials.
        ssm: Parameters.
        alb: Load balancers and target groups.
        autoscaling: Auto Scaling groups.
        cloudwatch: Metrics and alarms.
        logs: Log groups, streams and events.
        provisioners: CloudFormation's resource types.
        stacks: CloudFormation's stack operations.

    """

    app: Any
    actions: Any
    evaluator: Any
    responses: Any
    ec2: Any
    iam: Any
    sts: Any
    ssm: Any
    alb: Any
    autoscaling: Any
    cloudwatch: Any
    logs: Any
    provisioners: Any
    stacks: Any

    def answer(self, action: str, inner: str) -> tuple[int, dict[str, str], bytes]:
        """Wrap the XML of an EC2 answer into its envelope."""
        status, headers, body = self.ec2._xml(200, f"{action}Response", inner)
        return status, headers, body

    def tagged(self, resource: str, filters: dict[str, list[str]]) -> bool:
        """Say whether a resource has the tags that the filters ask for."""
        return bool(self.ec2._resource_matches_tag_filters(resource, filters))


def check(modules: dict[str, Any]) -> None:
    """Compare the emulator with the list.

    Raises:
        LocalCloudError: Names every missing one.

    """
    missing = [
        f"{module}.{name}"
        for module, names in NAMES.items()
        for name in names
        if not hasattr(modules[module], name)
    ]
    if missing:
        raise LocalCloudError(
            f"The emulator does not fit: it lacks {', '.join(missing)}."
            f" Install the one this was written for: pip install ministack=={VERSION}"
        )


def load(port: int) -> Emulator:
    """Import the emulator, told to open no listener of its own, and check its seams.

    Raises:
        LocalCloudError: It lacks a name that is used.

    """
    os.environ.update(
        BIND_HOST="127.0.0.1",
        DOCKER_HOST="unix:///nonexistent",
        GATEWAY_PORT=str(port),
        IOT_MTLS_ENABLED="0",
        MINISTACK_HOST="localhost",
        PERSIST_STATE="0",
        SFTP_ENABLED="0",
    )
    modules = {name: import_module(name) for name in NAMES}
    check(modules)
    return Emulator(*modules.values())
