"""OP-GAN on the embedded scenes at 64x64, night to day: what each objective keeps, with the same networks.

    python launch/study.py --study=configs/studies/op_gan_scenes.py --workdir=runs/op_gan_scenes --jobs=2

28 runs of about 6 minutes on one core each. The published forms of the content task have the published weights, pairs
and initialisation of the siamese network; all else is `quick`.
"""

from gan_ssl.studies import Row, Score, Study

_PUBLISHED = {
    "loss.content_form": "maps",
    "loss.content": 1.0,
    "model.siamese_init": "normal",
    "pretext.pairs": (1, 1, 1, 1),
}
_JUDGED = {"untranslated": "direct", "by day (ceiling)": "ceiling"}


def _iou(name, label):
    references = {title: f"{group}.{name}" for title, group in _JUDGED.items()}
    return Score(f"translated.{name}", label, percent=True, references=references)


def _true(name, label, better, digits):
    references = {"untranslated": f"distance_to_truth_direct.{name}"}
    return Score(f"distance_to_truth.{name}", label, better, digits=digits, references=references)


def get_study():
    """Returns the study."""
    quick = "configs/op_gan.py:quick"
    rows = (
        Row("cyclegan", f"{quick},cyclegan", seeds=range(5), label="CycleGAN"),
        Row("cut", "configs/cut.py:quick", label="CUT"),
        Row("published", f"{quick},published", label="published, its own networks"),
        Row("published_content", f"{quick},content", _PUBLISHED, label="published form, content task"),
        Row(
            "published_domain",
            f"{quick},domain",
            _PUBLISHED | {"loss.content": 0.0},
            label="published form, domain task",
        ),
        Row("published_both", quick, _PUBLISHED, label="published form, both tasks"),
        Row("twins", f"{quick},content", label="twins"),
        Row("twins_domain", quick, seeds=range(5), label="twins and domain task (quick)"),
    )
    scores = (
        _iou("miou", "mIoU"),
        _iou("iou.car", "car"),
        _iou("iou.pedestrian", "pedestrian"),
        _iou("iou.building", "building"),
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
        rows=rows,
        scores=scores,
        base="cyclegan",
        details={"IoU by class": "translated.iou.*"},
        losses=(
            "train/generator/cycle",
            "train/generator/adversarial",
            "train/generator/content",
            "train/siamese/content_std",
            "train/siamese/domain_accuracy",
        ),
    )
