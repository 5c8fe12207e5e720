"""What else may keep objects: changes of OP-GAN's `quick`, one at a time, on the validation scenes.

    python launch/study.py --study=configs/studies/op_gan_candidates.py --workdir=runs/op_gan_candidates --jobs=2

51 runs of about 6 minutes on one core each. Defaults are chosen here; `op_gan_scenes.py` reports on the test scenes.
"""

from gan_ssl.studies import Row, Score, Study, rows


def get_study():
    """Returns the study."""
    changed = lambda name, label, **fields: Row(
        name, "configs/op_gan.py:quick", {k.replace("__", "."): v for k, v in fields.items()}, label=label
    )
    listed = (
        changed("quick", "quick: weight 3, negatives 0.4, features"),
        changed("weight_1", "weight 1", loss__content=1.0),
        changed("weight_5", "weight 5", loss__content=5.0),
        changed("falling", "weight 5, falling to 1", loss__content=5.0, loss__content_left=0.2),
        changed("no_negative", "no negatives", pretext__twin_negative=0.0),
        changed("local", "local light", pretext__twin_local=1.0),
        changed("local_5", "local light, weight 5", pretext__twin_local=1.0, loss__content=5.0),
        changed("local_10", "local light, weight 10", pretext__twin_local=1.0, loss__content=10.0),
        changed(
            "local_wide", "local light, four strides", pretext__twin_local=1.0, model__siamese_strides=(1, 2, 2, 2)
        ),
        changed("local_long", "local light, twice the steps", pretext__twin_local=1.0, num_steps=4800),
        changed("wide", "a wider view: four strides", model__siamese_strides=(1, 2, 2, 2)),
        changed("nine", "all nine places, of pairs and of twins", pretext__pairs=(1, 1, 9, 1), pretext__twin_patches=9),
        changed("halves", "larger patches: a grid of 2", pretext__grid=2),
        changed("relations", "relations of places", loss__registered="relations"),
        changed("certainty", "weighted by certainty", loss__certainty=True),
        changed("certainty_5", "weight 5, by certainty", loss__content=5.0, loss__certainty=True),
        changed("small_view", "discriminators see 16 pixels", model__discriminator_layers=1),
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
