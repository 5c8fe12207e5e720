"""Checksums of a run's state, which processes that hold parts of it compute together."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np


def digest(tree: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a state dict: of names, types, shapes and bits, whatever processes hold parts of it."""
    return join(tree, [hash_places(tree)], {})


def hash_places(tree: Mapping[str, Any]) -> list[list[str]]:
    """Hashes each entry of each array of `places`: what a process can do with its share."""
    sha = lambda x: hashlib.sha256(_bits(x)).hexdigest()
    return [[sha(entry) for entry in np.asarray(leaf)] for leaf in jax.tree.leaves(tree.get("places", {}))]


def join(tree: Mapping[str, Any], shares: Sequence[list[list[str]]], positions: Mapping[str, int]) -> str:
    """Returns the digest of a tree, of whose `places` each process has hashed its share, and of streams' positions."""
    sha = hashlib.sha256(json.dumps(dict(positions), sort_keys=True).encode())
    _add(sha, {name: subtree for name, subtree in tree.items() if name != "places"})
    named = jax.tree_util.tree_leaves_with_path(tree.get("places", {}))
    for (path, leaf), *hashes in zip(named, *shares, strict=True):
        sha.update(f"{jax.tree_util.keystr(path)} {np.asarray(leaf).dtype} {np.shape(leaf)[1:]}".encode())
        sha.update("".join(h for share in hashes for h in share).encode())
    return sha.hexdigest()


def of_layout_1(tree: Any) -> str:
    """Returns the digest as checkpoints of layout 1 have it: `places` like all else."""
    sha = hashlib.sha256()
    _add(sha, tree)
    return sha.hexdigest()


def _add(sha: Any, tree: Any) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        sha.update(f"{jax.tree_util.keystr(path)} {np.asarray(leaf).dtype} {np.shape(leaf)}".encode())
        sha.update(_bits(leaf))


def _bits(array: Any) -> Any:
    array = np.ascontiguousarray(array)
    return array.view(np.uint8).data if array.size else b""
