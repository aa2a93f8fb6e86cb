"""Where an environment's gateway is, and with whose key to ask it."""

from __future__ import annotations

from landfall import aws
from landfall.cli.flow import rack, services
from landfall.errors import InvalidInput, Problem
from landfall.http import Endpoint
from landfall.model import site as sites
from landfall.model.environment import Environment
from rehearsal.rack import GATEWAY_PORT


def endpoint(environment: Environment, tenant: str) -> Endpoint:
    """The gateway, with the key of `tenant`, read from the secrets manager at this moment.

    Raises:
        InvalidInput: the site has no such tenant.
        Unreachable: the secrets manager does not answer.
    """
    tenants = {each.name: each for each in sites.load(environment).tenants}
    if tenant not in tenants:
        message = f"no such tenant; the site has {', '.join(sorted(tenants)) or 'none'}"
        raise InvalidInput("site.tenants", [Problem(path=tenant, message=message)])
    via = services.of(environment).access if environment.rehearsal else aws.AS_CONFIGURED
    return Endpoint(
        url=url(environment), api_key=aws.get_secret(tenants[tenant].key_secret, via=via)
    )


def url(environment: Environment) -> str:
    """The gateway's address, as seen from this machine."""
    if environment.rehearsal:
        for forward in rack.of(environment).forwards:
            if forward.target == GATEWAY_PORT:
                return f"http://127.0.0.1:{forward.port}"
    told = sites.load(environment).gateway_url
    if told:
        return told
    problem = Problem(path="site.gateway_url", message="not given, so the gateway is not known")
    raise InvalidInput(str(environment.site_file), [problem])
