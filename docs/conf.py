"""How Sphinx builds these pages: sphinx-build -W --keep-going -b html docs OUT (pip install -e ".[docs]")."""

import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
_DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(_DOCS))

import figures  # noqa: E402
import formulas  # noqa: E402

# Made at every build and not in git: figures by our own code, and the notebooks, which Sphinx wants below its root.
_GENERATED = _DOCS / "generated"
_GENERATED.mkdir(exist_ok=True)
figures.draw(_GENERATED)
for _notebook in (_DOCS.parent / "launch" / "colab").glob("*.ipynb"):
    shutil.copy(_notebook, _GENERATED)

project = "gan_ssl"
release = version = importlib.metadata.version("gan_ssl")
project_copyright = "the authors of gan_ssl, Apache-2.0"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
exclude_patterns = ["generated/*.md"]
suppress_warnings = ["myst.header"]  # sections of the README begin below the page's own heading

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"
copybutton_exclude = ".linenos, .gp, .go"

default_role = "code"  # docstrings write code in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # of attributes that are fields as well, one entry
napoleon_use_rtype = False  # what stands before a colon in "Returns" is no type

html_math_renderer = "drawn"  # so that the pages ask no other server for a script
html_theme = "furo"
html_title = "gan_ssl"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_copy_source = html_show_sourcelink = False


def setup(app):
    """Lets formulas be drawings."""
    app.add_html_math_renderer("drawn", (formulas.inline, None), (formulas.block, None))
