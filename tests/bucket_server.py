"""A stand-in for Google's object store: the part of its JSON interface that gcsfs, TensorStore and Orbax use.

As the real one it knows whole objects alone, no append and no folders, keeps a generation an object, and refuses a
request whose condition on the generation does not hold. In memory, without access control, one bucket.
`python -m tests.bucket_server PORT` serves `gs://bucket`.
"""

import base64
import contextlib
import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET = "bucket"
_OBJECT = re.compile(rf"(?:/download)?/storage/v1/b/{BUCKET}/o/(?P<name>[^/]+)")
_COPY = re.compile(rf"/storage/v1/b/{BUCKET}/o/(?P<name>[^/]+)/rewriteTo/b/{BUCKET}/o/(?P<to>[^/]+)")
_MOVE = re.compile(rf"/storage/v1/b/{BUCKET}/o/(?P<name>[^/]+)/moveTo/o/(?P<to>[^/]+)")
_LIST = re.compile(rf"/storage/v1/b/{BUCKET}/o/?")
_UPLOAD = re.compile(rf"/upload/storage/v1/b/{BUCKET}/o/?")


class Store:
    """Objects by name, each with its generation."""

    def __init__(self):
        self.objects: dict[str, tuple[bytes, int]] = {}
        self.uploads: dict[str, tuple[str, dict, bytearray]] = {}
        self._count = 0
        self.lock = threading.Lock()

    def put(self, name: str, content: bytes) -> dict:
        self._count += 1
        self.objects[name] = (content, self._count)
        return self.describe(name)

    def describe(self, name: str) -> dict:
        content, generation = self.objects[name]
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": BUCKET,
            "size": str(len(content)),
            "generation": str(generation),
            "metageneration": "1",
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
            "updated": "2026-01-01T00:00:00.000Z",
            "timeCreated": "2026-01-01T00:00:00.000Z",
        }

    def fails(self, name: str, query: dict, reading: bool = False) -> int:
        """Returns the status of a condition that does not hold, else 0."""
        generation = self.objects[name][1] if name in self.objects else 0
        if "ifGenerationMatch" in query and int(query["ifGenerationMatch"]) != generation:
            return 412
        if "ifGenerationNotMatch" in query and int(query["ifGenerationNotMatch"]) == generation:
            return 304 if reading else 412
        return 0

    def list(self, prefix: str, delimiter: str) -> dict:
        items, prefixes = [], set()
        for name in sorted(self.objects):
            rest = name.removeprefix(prefix)
            if not name.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                prefixes.add(prefix + rest.split(delimiter)[0] + delimiter)
            else:
                items.append(self.describe(name))
        return {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = Store()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a client that was killed, or heard enough
            super().handle()

    def log_message(self, *args):
        pass

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, body: dict | bytes = b"", **headers) -> None:
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if status >= 400 and not body:
            body = json.dumps({"error": {"code": status, "message": f"status {status}"}}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)

    def _handle(self) -> None:
        url, body = urlsplit(self.path), self._read()
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        with self.store.lock:
            status, answer, headers = self._decide(self.command, url.path, query, body)
        self._answer(status, answer, **headers)

    do_GET = do_POST = do_PUT = do_DELETE = _handle

    def _decide(self, method: str, path: str, query: dict, body: bytes) -> tuple[int, dict | bytes, dict]:
        if match := _UPLOAD.fullmatch(path):
            return self._upload(query, body)
        if match := _COPY.fullmatch(path) or _MOVE.fullmatch(path):
            name, to = unquote(match["name"]), unquote(match["to"])
            if name not in self.store.objects:
                return 404, b"", {}
            made = self.store.put(to, self.store.objects[name][0])
            if _COPY.fullmatch(path):
                return 200, {"done": True, "resource": made}, {}
            del self.store.objects[name]
            return 200, made, {}
        if _LIST.fullmatch(path):
            return 200, self.store.list(query.get("prefix", ""), query.get("delimiter", "")), {}
        if match := _OBJECT.fullmatch(path):
            return self._object(method, unquote(match["name"]), query)
        if path.startswith("/batch"):
            return self._batch(body)
        if path.rstrip("/") == f"/storage/v1/b/{BUCKET}":
            return 200, {"kind": "storage#bucket", "name": BUCKET, "id": BUCKET, "location": "HERE"}, {}
        return 404, b"", {}

    def _object(self, method: str, name: str, query: dict) -> tuple[int, dict | bytes, dict]:
        if name not in self.store.objects:
            return 404, b"", {}
        if status := self.store.fails(name, query, reading=method == "GET"):
            return status, b"", {}
        if method == "DELETE":
            del self.store.objects[name]
            return 204, b"", {}
        if query.get("alt") != "media":
            return 200, self.store.describe(name), {}
        content, generation = self.store.objects[name]
        headers = {"x_goog_generation": str(generation), "Content_Type": "application/octet-stream"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return 200, content, headers
        first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        if first >= len(content):
            return 416, b"", {}
        return 206, content[first : last + 1], headers | {"Content_Range": f"bytes {first}-{last}/{len(content)}"}

    def _upload(self, query: dict, body: bytes) -> tuple[int, dict | bytes, dict]:
        if "upload_id" in query:
            name, conditions, content = self.store.uploads[query["upload_id"]]
            content += body
            span = self.headers.get("Content-Range", "")
            if span.endswith("/*"):
                return 308, b"", {"Range": f"bytes=0-{len(content) - 1}"} if content else {}
            query, body = conditions, bytes(content)
        elif query["uploadType"] == "resumable":
            name, key = query.get("name") or json.loads(body)["name"], str(len(self.store.uploads))
            self.store.uploads[key] = (name, query, bytearray())
            where = f"http://{self.headers['Host']}/upload/storage/v1/b/{BUCKET}/o?upload_id={key}"
            return 200, {}, {"Location": where}
        elif query["uploadType"] == "multipart":
            described, body = _parts(body, self.headers["Content-Type"])
            name = json.loads(described)["name"]
        else:
            name = query["name"]
        if status := self.store.fails(name, query):
            return status, b"", {}
        return 200, self.store.put(name, body), {}

    def _batch(self, body: bytes) -> tuple[int, bytes, dict]:
        """Deletes; gcsfs sends nothing else in batches."""
        parts = []
        for i, path in enumerate(re.findall(rb"DELETE (\S+) HTTP", body)):
            url = urlsplit(path.decode())
            status, _, _ = self._decide("DELETE", url.path, {}, b"")
            parts.append(f"--batch\r\nContent-Type: application/http\r\nContent-ID: <response-{i + 1}>\r\n\r\n"
                         f"HTTP/1.1 {status} OK\r\nContent-Length: 0\r\n\r\n\r\n")  # fmt: skip
        return 200, ("".join(parts) + "--batch--\r\n").encode(), {"Content_Type": "multipart/mixed; boundary=batch"}


def _parts(body: bytes, kind: str) -> list[bytes]:
    """Returns the contents of a multipart body."""
    boundary = b"--" + re.search(r'boundary="?([^";]+)', kind)[1].encode()
    found = []
    for part in body.split(boundary)[1:-1]:
        head_end = re.search(rb"\r?\n\r?\n", part).end()
        found.append(re.sub(rb"\r?\n\Z", b"", part[head_end:]))
    return found


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
