"""What OP-GAN's siamese network adds to each player's objective, in both forms of the content task.

`maps` (published): both players minimise the distance of the content maps of a patch and its translation.
`twins` (ours): the siamese network learns content from photometric twins of real patches alone, and the generators
are held to its features; the two players can then not agree on answering nothing.
"""

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gan_ssl import losses, pretext
from gan_ssl.losses.self_supervised import map_correlation, masked_mean, place_certainty, place_cosine, relations
from gan_ssl.methods.state import Metrics
from gan_ssl.networks import Siamese
from gan_ssl.pretext import PatchPairs

Images = dict[str, jax.Array]


def _pairs(images: Images, fakes: Images, keys: jax.Array, config: ConfigDict) -> tuple[PatchPairs, jax.Array]:
    """Draws pairs of (a, its translation) and of (b's translation, b); true where the *second* patch is the source."""
    split = jax.vmap(jax.random.split)(keys)
    drawn = [
        pretext.sample_patch_pairs(split[:, i], a, b, config.pretext.grid, tuple(config.pretext.pairs))
        for i, (a, b) in enumerate(((images["a"], fakes["b"]), (fakes["a"], images["b"])))
    ]
    backward = jnp.repeat(jnp.array([False, True]), drawn[0].pair_class.shape[0])
    return PatchPairs(*(jnp.concatenate(both) for both in zip(*drawn, strict=True))), backward


def _features(net: Siamese, params: dict, patches: jax.Array) -> tuple[jax.Array, jax.Array]:
    return net.apply({"params": params}, patches, method="features")


def _compare(net: Siamese, params: dict, pairs: PatchPairs) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the content features of both patches and the domain logits; the trunk runs once."""
    content, domain = _features(net, params, jnp.concatenate([pairs.first, pairs.second]))
    logits = net.apply({"params": params}, *jnp.split(domain, 2), method="domain_logits")
    first, second = jnp.split(content, 2)
    return first, second, logits


def _maps(net: Siamese, params: dict, content: jax.Array, pairs: PatchPairs) -> jax.Array:
    return net.apply({"params": params}, content, pairs.first.shape[1:3], method="content_map")


def for_generators(
    net: Siamese, params: dict, images: Images, fakes: Images, keys: jax.Array, config: ConfigDict
) -> Metrics:
    """Returns the terms `content` and `domain`, whose gradient is for the generators, `net` being fixed."""
    pairs, backward = _pairs(images, fakes, keys, config)
    first, second, logits = _compare(net, params, pairs)
    if config.loss.content_form == "twins":
        side = backward[:, None, None, None]
        source, translated = jnp.where(side, second, first), jnp.where(side, first, second)
        patches = jnp.where(side, pairs.second, pairs.first)
        weight = _certainty(net, params, patches, source, keys, config) if config.loss.certainty else 1.0
        if config.loss.registered == "relations":
            source, translated = relations(source), relations(translated)
        content = losses.feature_registration_loss(source, translated, pairs.same_position, weight)
    else:
        maps = (_maps(net, params, first, pairs), _maps(net, params, second, pairs))
        content = losses.content_consistency_loss(*maps, pairs.same_position)
    return {"content": content, "domain": losses.domain_classification_loss(logits, pairs.pair_class)}


def _certainty(
    net: Siamese, params: dict, patches: jax.Array, features: jax.Array, keys: jax.Array, config: ConfigDict
) -> jax.Array:
    """Returns how surely each place of the source patches, direction- and image-major, is found in another light."""
    images = keys.shape[0]
    by_image = patches.reshape(2, images, -1, *patches.shape[1:]).swapaxes(0, 1)
    twins = pretext.photometric_twin(jax.vmap(lambda k: jax.random.fold_in(k, 2))(keys), by_image, _strength(config))
    content, _ = _features(net, params, jax.lax.stop_gradient(twins.swapaxes(0, 1).reshape(patches.shape)))
    return place_certainty(features, content, config.pretext.temperature)


def _strength(config: ConfigDict) -> dict[str, float]:
    return {name: config.pretext[f"twin_{name}"] for name in pretext.DEFAULT_STRENGTH}


def for_siamese(
    net: Siamese, params: dict, images: Images, fakes: Images, keys: jax.Array, config: ConfigDict
) -> tuple[Metrics, Metrics]:
    """Returns the terms of the siamese network's own objective, and what is only logged."""
    keys = jax.vmap(jax.random.split)(keys)
    pairs, _ = _pairs(images, fakes, keys[:, 0], config)
    first, second, logits = _compare(net, params, pairs)
    same = pairs.same_position
    terms = {"domain": losses.domain_classification_loss(logits, pairs.pair_class)}
    if config.loss.content_form == "twins":
        if config.loss.twin:
            terms["twin"] = twin_loss(net, params, images, keys[:, 1], config)
        correlation = jnp.mean(place_cosine(first, second), axis=(1, 2))
        spread = jnp.mean(jnp.std(first, axis=(1, 2)))
    else:
        maps = (_maps(net, params, first, pairs), _maps(net, params, second, pairs))
        terms["content"] = losses.content_consistency_loss(*maps, same)
        terms["contrast"] = losses.content_contrast_loss(*maps, same)
        correlation = map_correlation(*maps)
        spread = jnp.mean(jnp.std(maps[0], axis=(1, 2)))
    logged = {
        "content_std": spread,
        "correlation_same": masked_mean(correlation, same),
        "correlation_other": masked_mean(correlation, ~same),
        "domain_accuracy": jnp.mean((jnp.argmax(logits, axis=1) == pairs.pair_class).astype(jnp.float32)),
    }
    return terms, logged


def twin_loss(net: Siamese, params: dict, images: Images, keys: jax.Array, config: ConfigDict) -> jax.Array:
    """Contrasts the places of real patches of both domains with those of their twins, image pair by image pair.

    Places are contrasted within an image pair, not over a device's batch, so that device counts do not matter.
    """
    options = config.pretext
    patches, twins = [], []
    for i, domain in enumerate("ab"):
        cut = pretext.cut_patches(images[domain], options.grid)
        drawn = jax.vmap(lambda k: jax.random.split(jax.random.fold_in(k, i)))(keys)  # noqa: B023
        order = jnp.argsort(jax.vmap(lambda k: jax.random.uniform(k, (options.grid**2,)))(drawn[:, 0]), axis=1)
        chosen = jnp.take_along_axis(cut, order[:, : options.twin_patches, None, None, None], axis=1)
        patches.append(chosen)
        twins.append(pretext.photometric_twin(drawn[:, 1], chosen, _strength(config)))
    both = jnp.stack([jnp.concatenate(patches, axis=1), jnp.concatenate(twins, axis=1)])
    content, _ = _features(net, params, both.reshape(-1, *both.shape[3:]))
    content = content.reshape(2, both.shape[1], -1, content.shape[-1])
    return jnp.mean(jax.vmap(losses.place_contrast_loss, (0, 0, None))(*content, options.temperature))  # pyright: ignore[reportCallIssue] two
