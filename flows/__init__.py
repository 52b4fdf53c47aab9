"""When: order, retries, schedule. Calls DVC; no maths."""

import os

# Read by Prefect at import. Nothing is reported to anybody, also when a flow is not started by
# make; and a temporary server on a busy machine may take longer than Prefect's 20 seconds.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
}.items():
    os.environ.setdefault(_name, _value)
if os.environ.get("PREFECT_API_URL") == "":  # set to nothing is not set, but Prefect's events fail
    del os.environ["PREFECT_API_URL"]
