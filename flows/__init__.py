"""When: order, retries, schedule. Calls DVC; no maths."""

import os

# Nothing is reported to anybody, also when a flow is not started by make; read at import.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}.items():
    os.environ.setdefault(_name, _value)
