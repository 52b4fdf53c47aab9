"""The page in which `dvc plots show` and `diff` draw, with Vega inside it: it opens offline.

Written by `python -m polybatch.reports.html.dvc_page .dvc/plots.html`; `.dvc/config` names it.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import vl_convert

from polybatch.core.files import gzipped

_VERSION = "5.20"  # what DVC's templates are written for
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots of DVC</title>
<link rel="icon" href="data:,">
<style>body { font-family: system-ui, sans-serif; } table { border-spacing: 15px; }</style>
<script>
// DVC's plots call vegaEmbed while the page loads; they wait here until it is unpacked.
const waiting = [];
function vegaEmbed(...plot) { waiting.push(plot); }
</script>
</head>
<body>
{plot_divs}
<script type="text/plain" id="vega">VEGA</script>
<script>
(async () => {
  const text = document.getElementById("vega").textContent;
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = `(() => {${await new Response(stream).text()}})();`;
  document.head.append(script);
  for (const plot of waiting) await window.vegaEmbed(...plot);
  document.body.dataset.ready = "yes";
})();
</script>
</body>
</html>
"""


def dvc_page() -> str:
    """Return the page, with DVC's placeholders in it.

    Example:
        >>> dvc_page().count("{plot_divs}")
        1
    """
    code = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_VERSION)
    packed = base64.b64encode(gzipped(code.encode())).decode("ascii")
    return _PAGE.replace("VEGA", packed)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(dvc_page(), encoding="utf-8")
