"""OP-GAN on the embedded scenes at 64x64, night to day: what each objective keeps, with the same networks.

    python launch/study.py --study=configs/studies/op_gan_scenes.py --workdir=runs/op_gan_scenes --jobs=2

28 runs of about 6 minutes on one core each. The published forms of the content task have the published weights, pairs
and initialisation of the siamese network; all else is `quick`.
"""

from gan_ssl.studies import Row, Score, Study, rows


def _true(name, label, better, digits):
    references = {"untranslated": f"distance_to_truth_direct.{name}"}
    return Score(f"distance_to_truth.{name}", label, better, digits=digits, references=references)


def get_study():
    """Returns the study."""
    quick = "configs/op_gan.py:quick"
    listed = (
        Row("cyclegan", f"{quick},cyclegan", seeds=range(5), label="CycleGAN"),
        Row("cut", "configs/cut.py:quick", label="CUT"),
        # At three times the published weight; the maps collapse at any (`siamese/content_std`).
        Row("published", f"{quick},published", {"loss.content": 3.0}, label="published, its own networks"),
        *rows.published_forms(quick),
        Row("twins", f"{quick},content", label="twins"),
        Row("twins_domain", quick, seeds=range(5), label="twins and domain task (quick)"),
    )
    scores = (
        rows.segmented("miou", "mIoU", truth=True),
        rows.segmented("iou.car", "car", truth=True),
        rows.segmented("iou.pedestrian", "pedestrian", truth=True),
        rows.segmented("iou.building", "building", truth=True),
        _true("l1", "L1 to the true picture", "lower", 3),
        _true("ssim", "SSIM with it", "higher", 3),
        _true("edge_f", "edges it has", "higher", 2),
        Score("edges_kept", "source's edges kept", digits=2),
    )
    return Study(
        title="OP-GAN on scenes: night to day",
        text=(
            "The same small networks with different objectives. mIoU and IoU are of three U-Nets that learnt on day "
            "pictures; the other scores need no segmenter: the scene drawn by day is known for every night picture."
        ),
        rows=listed,
        scores=scores,
        base="cyclegan",
        details={"IoU by class": "translated.iou.*"},
        losses=rows.OP_GAN_LOSSES,
    )
