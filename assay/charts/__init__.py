"""Charts as Vega-Lite specifications (Altair), rendered to SVG without a browser (vl-convert).

A chart function takes plain values and returns an Altair chart; `svg` renders it. Charts are drawn for a width of
`WIDTH` pixels, so that their text stays legible on a phone.
"""
