"""The page in gradio: controls, pictures inside the page itself, and an upload that is gone once it was read."""

import base64
import contextlib
import html
import io
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from PIL import Image

from gan_ssl import errors
from gan_ssl.demo.views import EditView, TranslationView
from gan_ssl.inference.translator import DIRECTIONS

MAX_FILE_SIZE = "20mb"
_SECONDS = 60  # after which an upload that nobody asked to be read is deleted
_SMALL = 200  # pixels; pictures below are enlarged without blur
# Whatever the page's code asks for, the browser loads nothing from elsewhere.
_POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
_CHOOSE = """element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) trigger("select", {index: Number(button.dataset.index)});
});"""
_CSS = """
.pictures {display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(46%, 300px), 1fr))}
.pictures.small {grid-template-columns: repeat(auto-fill, minmax(88px, 1fr))}
.pictures figure {margin: 0}
.pictures img, .pictures button {margin: 0 !important}
.pictures img {width: 100%; display: block; border-radius: 4px}
.pictures img.enlarged {image-rendering: pixelated}
.pictures.examples {grid-template-columns: repeat(4, 1fr); gap: 8px; padding-top: 6px}
.pictures button {display: block; padding: 0; border: 0; background: none; cursor: pointer}
.pictures figcaption {font-size: 0.85em; padding-top: 4px; overflow-wrap: anywhere}
.message {border-left: 4px solid #c0392b; padding: 8px 12px; overflow-wrap: anywhere}
"""


def serve(view: TranslationView | EditView, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serves a view until Ctrl-C.

    Args:
        view: of a run.
        host: address to listen on; by default this machine alone reaches the page.
        port: to listen on; 0 takes a free one.

    Raises:
        ConfigError: gradio is not installed, or address or port cannot be listened on.
    """
    with running(view, host, port) as url:
        logging.info("the page is at %s; Ctrl-C ends it", url)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


@contextlib.contextmanager
def running(view: TranslationView | EditView, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serves a view inside the block, and yields its address; see `serve`. Uploads lie in a folder that goes with it.

    gradio reads where that folder is from the environment, so that a process serves one page at a time.
    """
    port = _free_port(host, port)
    with tempfile.TemporaryDirectory(prefix="gan_ssl_demo_") as uploads:
        os.environ |= {
            "GRADIO_TEMP_DIR": uploads,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "1",
        }
        page = build(view, Path(uploads))
        try:
            yield _launch(page, host, port)
        finally:
            page.close(verbose=False)


def build(view: TranslationView | EditView, uploads: Path) -> Any:
    """Lays out the page.

    Args:
        view: what it shows.
        uploads: where gradio puts files that are uploaded.

    Returns:
        gradio's Blocks, not launched.

    Raises:
        ConfigError: gradio is not installed.
    """
    gr = _gradio()
    with gr.Blocks(title="gan_ssl", analytics_enabled=False, delete_cache=(_SECONDS, _SECONDS)) as page:
        gr.HTML(f"<h1>{'Translate' if isinstance(view, TranslationView) else 'Edit'} a picture</h1><p>{view.title}</p>")
        picture = gr.State(None)
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                upload = gr.File(label="Picture", height=150, elem_id="upload")
                examples = gr.HTML(_examples(view), js_on_load=_CHOOSE, elem_id="examples")
                controls = _controls(gr, view)
            with gr.Column(scale=2, min_width=280):
                shown = gr.HTML("<p>Choose a picture.</p>", elem_id="shown")
                grid = gr.HTML(elem_id="grid", visible=isinstance(view, EditView))
        _connect(gr, view, uploads, picture, upload, examples, controls, shown, grid)
    return page


def _controls(gr: Any, view: TranslationView | EditView) -> list[Any]:
    if isinstance(view, TranslationView):
        choices = [("a to b", "a2b"), ("b to a", "b2a")]
        return [gr.Radio(choices, value=DIRECTIONS[0], label="Direction", elem_id="control_0")]
    return [
        gr.Radio(choices, value="", label=title, elem_id=f"control_{i}")
        for i, (title, choices) in enumerate(view.controls.items())
    ]


def _connect(gr, view, uploads, picture, upload, examples, controls, shown, grid) -> None:
    """Says what happens when. One call of the networks runs at a time."""

    def show(pixels: np.ndarray | None, *answers: str) -> str:
        return "<p>Choose a picture.</p>" if pixels is None else as_html(lambda: _shown(view, pixels, answers))

    def edits(pixels: np.ndarray) -> str:
        if isinstance(view, TranslationView):
            return ""
        return f"<h3>All edits of one attribute</h3>{as_html(lambda: view.grid(pixels), small=True)}"

    def take(path: str | None, *answers: str):
        try:
            pixels = view.open(path)
        except errors.GanSslError as error:
            return None, None, message(error), ""
        finally:
            forget(path, uploads)
        return None, pixels, show(pixels, *answers), edits(pixels)

    def choose(event: gr.EventData, *answers: str):
        example = view.examples[int(event.index)]
        answers = (example.direction,) if example.direction else answers
        return example.picture, show(example.picture, *answers), edits(example.picture), *answers

    options = {"concurrency_id": "networks", "concurrency_limit": 1, "api_visibility": "private"}
    upload.upload(take, [upload, *controls], [upload, picture, shown, grid], **options)
    examples.select(choose, controls, [picture, shown, grid, *controls], **options)
    for control in controls:
        control.input(show, [picture, *controls], shown, **options)


def _shown(view: TranslationView | EditView, pixels: np.ndarray, answers: tuple[str, ...]) -> Mapping[str, np.ndarray]:
    if isinstance(view, TranslationView):
        return view.show(pixels, *answers)
    return view.show(pixels, dict(zip(view.controls, answers, strict=True)))


def as_html(make: Callable[[], Mapping[str, np.ndarray]], small: bool = False) -> str:
    """Returns pictures by caption as HTML that holds them, so that none becomes a file; or an error of ours as text."""
    try:
        pictures = make()
    except errors.GanSslError as error:
        return message(error)
    figures = [
        f"<figure>{_image(pixels, caption)}<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, pixels in pictures.items()
    ]
    return f'<div class="pictures{" small" if small else ""}">{"".join(figures)}</div>'


def _examples(view: TranslationView | EditView) -> str:
    if not view.examples:
        return ""
    buttons = [
        f'<button data-index="{i}">{_image(example.picture, f"example {i + 1} {example.caption}")}</button>'
        for i, example in enumerate(view.examples)
    ]
    return f'Or one of the test split:<div class="pictures examples">{"".join(buttons)}</div>'


def _image(pixels: np.ndarray, text: str) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    source = base64.b64encode(stream.getvalue()).decode()
    kind = ' class="enlarged"' if max(pixels.shape) < _SMALL else ""
    return f'<img src="data:image/png;base64,{source}" alt="{html.escape(text)}"{kind}>'


def message(error: errors.GanSslError) -> str:
    """Returns an error of ours as HTML."""
    return f'<p class="message" role="alert">{html.escape(str(error))}</p>'


def forget(path: str | None, uploads: Path) -> None:
    """Deletes an upload with its folder, and the empty file that gradio makes for each."""
    folder = Path(path or uploads).resolve().parent
    if folder.parent == uploads.resolve():
        shutil.rmtree(folder, ignore_errors=True)
    for left in uploads.iterdir():
        if left.is_file() and not left.stat().st_size:
            left.unlink(missing_ok=True)


def _gradio() -> Any:
    try:
        import gradio
    except ImportError:
        raise errors.ConfigError('the demo page needs gradio: pip install -e ".[demo]"') from None
    return gradio


def _launch(page: Any, host: str, port: int) -> str:
    from starlette.middleware import Middleware

    gr = _gradio()
    system = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # none from elsewhere
    _, url, _ = page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        inline=False,
        ssr_mode=False,
        prevent_thread_lock=True,
        footer_links=[],
        max_file_size=MAX_FILE_SIZE,
        theme=gr.themes.Default(**system),
        css=_CSS,
        app_kwargs={"middleware": [Middleware(_Policy)]},
    )
    return url


def _free_port(host: str, port: int) -> int:
    """The port, or a free one for 0; raises ConfigError where it cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a page that has just ended is no hindrance
            server.bind((host, port))
            return server.getsockname()[1]
    except OSError as error:
        raise errors.ConfigError(f"--host={host} --port={port}: {error.strerror or error}") from None


class _Policy:
    """Sends the page's policy with every answer."""

    def __init__(self, app: Callable):
        self._app = app

    async def __call__(self, scope: Mapping[str, Any], receive: Callable, send: Callable) -> None:
        async def send_with_policy(event: dict[str, Any]) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], (b"content-security-policy", _POLICY)]
            await send(event)

        await self._app(scope, receive, send_with_policy)
