"""A local web page on which a run translates or edits a picture; `page` alone needs gradio (extra `demo`)."""

from gan_ssl.demo.views import EditView, TranslationView, make_view

__all__ = ["EditView", "TranslationView", "make_view"]
