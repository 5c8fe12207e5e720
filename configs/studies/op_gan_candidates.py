"""What else may keep objects: changes of OP-GAN's `quick`, one at a time, on the validation scenes.

    python launch/study.py --study=configs/studies/op_gan_candidates.py --workdir=runs/op_gan_candidates --jobs=2

72 runs of about 6 minutes on one core each. Defaults are chosen here; `op_gan_scenes.py` reports on the test scenes.
"""

from gan_ssl.studies import Row, Score, Study, rows


def get_study():
    """Returns the study."""
    changed = lambda name, label, **fields: Row(
        name, "configs/op_gan.py:quick", {k.replace("__", "."): v for k, v in fields.items()}, label=label
    )
    local = {"pretext__twin_local": 1.0}
    whole = local | {"pretext__content_view": "images"}
    fast = whole | {"optimizer__siamese_factor": 5.0}
    wide = {"model__siamese_strides": (1, 2, 2, 2)}
    listed = (
        changed("quick", "quick: weight 3, negatives 0.4, features"),
        Row("cyclegan", "configs/op_gan.py:quick,cyclegan", label="CycleGAN"),
        changed("local", "local light", **local),
        changed("local_wide", "local light, four strides", **local, **wide),
        changed("images", "whole images, local light", **whole),
        changed("fast", "whole images, local light, S 5 times as fast", **fast),
        changed("fast_1", "the same, weight 1", **fast, loss__content=1.0),
        changed("fast_10", "the same, weight 10", **fast, loss__content=10.0),
        changed("fast_wide", "the same, weight 3, four strides", **fast, **wide),
        changed("fast_contrast", "the same, registered by contrast", **fast, loss__registered="contrast"),
        changed("fast_contrast_03", "by contrast, weight 0.3", **fast, loss__registered="contrast", loss__content=0.3),
        changed("fast_relations", "by relations", **fast, loss__registered="relations"),
        changed("fast_no_negative", "without negatives", **fast, pretext__twin_negative=0.0),
        changed("fast_content", "without the domain task", **fast, loss__domain=0.0),
        changed("local_contrast", "patches, local light, by contrast", **local, loss__registered="contrast"),
        changed("weight_1", "weight 1", loss__content=1.0),
        changed("weight_5", "weight 5", loss__content=5.0),
        changed("no_negative", "no negatives", pretext__twin_negative=0.0),
        changed("local_5", "local light, weight 5", **local, loss__content=5.0),
        changed("local_certainty", "local light, weighted by certainty", **local, loss__certainty=True),
        changed("local_falling", "local light, weight 5 to 1", **local, loss__content=5.0, loss__content_left=0.2),
        changed("small_view", "discriminators see 16 pixels", **local, model__discriminator_layers=1),
        changed("fast_long", "whole images, S fast, twice the steps", **fast, num_steps=4800),
        Row(
            "cyclegan_long", "configs/op_gan.py:quick,cyclegan", {"num_steps": 4800}, label="CycleGAN, twice the steps"
        ),
    )
    scores = (
        rows.segmented("miou", "mIoU"),
        Score("last.miou", "by the last weights", percent=True),
        rows.segmented("iou.car", "car"),
        rows.segmented("iou.pedestrian", "pedestrian"),
        Score("distance_to_truth.l1", "L1 to the true picture", "lower", digits=3),
        Score("distance_to_truth.edge_f", "edges it has", digits=2),
    )
    return Study(
        title="OP-GAN on scenes: candidates",
        text="Changes of `quick`, one at a time, by the validation scenes: what pays becomes the default.",
        rows=listed,
        scores=scores,
        base="quick",
        split="validation",
        details={"IoU by class": "translated.iou.*"},
        losses=rows.OP_GAN_LOSSES,
    )
