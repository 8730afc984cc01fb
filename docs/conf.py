"""The documentation as a site: `make docs`."""

project = "VEN fleet"
author = "The VEN fleet authors"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "VEN fleet"
html_show_copyright = False
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
nitpicky = True
