"""What else may keep objects: changes of OP-GAN's `quick`, one at a time, on the validation scenes.

    python launch/study.py --study=configs/studies/op_gan_candidates.py --workdir=runs/op_gan_candidates --jobs=2

48 runs of about 6 minutes on one core each. Defaults are chosen here; `op_gan_scenes.py` reports on the test scenes.
"""

from gan_ssl.studies import Row, Score, Study, rows


def get_study():
    """Returns the study."""
    quick = "configs/op_gan.py:quick"
    changed = lambda name, label, **fields: Row(
        name, quick, {k.replace("__", "."): v for k, v in fields.items()}, label=label
    )
    narrow = {"model__siamese_strides": (1, 2, 2)}
    listed = (
        changed("quick", "quick: local light, four strides, weight 3"),
        Row("cyclegan", f"{quick},cyclegan", label="CycleGAN"),
        changed("even", "even light", pretext__twin_local=0.0),
        changed("narrow", "three strides", **narrow),
        changed("narrow_even", "three strides, even light", **narrow, pretext__twin_local=0.0),
        changed("weight_1", "weight 1", loss__content=1.0),
        changed("weight_5", "weight 5", loss__content=5.0),
        changed("falling", "weight 5, falling to 1", loss__content=5.0, loss__content_left=0.2),
        changed("no_negative", "no negatives", pretext__twin_negative=0.0),
        changed("relations", "relations of places", loss__registered="relations"),
        changed("certainty", "weighted by certainty", loss__certainty=True),
        changed("gentle", "adversarial weight 0.3", loss__adversarial=0.3),
        changed("identity", "identity weight 5", loss__identity=5.0),
        changed("small_view", "discriminators see 16 pixels", model__discriminator_layers=1),
        changed("long", "three times the steps", num_steps=7200),
        Row("cyclegan_long", f"{quick},cyclegan", {"num_steps": 7200}, label="CycleGAN, three times the steps"),
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
