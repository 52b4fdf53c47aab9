"""The report as one HTML page that opens from disk, without any network.

Plots are drawn in the browser by Vega-Lite, tables sorted by DataTables; both libraries lie in the
page, compressed.
"""
