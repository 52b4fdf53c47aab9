"""When: order, retries, schedule. Calls DVC; no maths."""
