r"""OP-GAN on CamVid, dusk to day, at 96x72; the folder comes by flag.

    python launch/study.py --study=configs/studies/op_gan_camvid.py --workdir=runs/op_gan_camvid --jobs=2 \
        --config.data.dir=CAMVID

CAMVID holds trainA, trainB, testA, testB and the label folders, see the README's "Your own images"; labels are of
eleven classes, and 11 is unlabelled. Training reads none. 28 runs of about 10 minutes on one core each, and 15 minutes
for the segmenters. Found: mIoU 14.8 for CycleGAN, 14.9, 15.7 and 16.8 for twins with the domain task at the weights of
1, 3 and 5, 16.4 untranslated.
"""

from gan_ssl.studies import Row, Score, Study, rows

_CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist"),
)
_DATA = {
    "data.name": "folder",
    "data.image_size": (72, 96),
    "data.load_size": (72, 96),
    "data.ignore_index": 11,
    "data.class_names": _CLASSES,
    "num_steps": 3000,
    # After 1,000 updates the segmenters score 28.7 on day pictures and know no sign or pedestrian, after 3,000 33.8.
    "evaluation.segmenter_steps": 3000,
    "pretext.twin_negative": 0.0,  # nothing is dark by day because it is lit by night
}


def get_study():
    """Returns the study."""
    quick = "configs/op_gan.py:quick"
    listed = (
        Row("cyclegan", f"{quick},cyclegan", seeds=range(5), label="CycleGAN"),
        *rows.published_forms(quick),
        Row("twins", f"{quick},content", {"loss.content": 1.0}, label="twins, weight 1"),
        Row("twins_domain", quick, {"loss.content": 1.0}, seeds=range(5), label="twins and domain task, weight 1"),
        Row("twins_domain_3", quick, {"loss.content": 3.0}, label="twins and domain task, weight 3"),
        Row("twins_domain_5", quick, {"loss.content": 5.0}, label="twins and domain task, weight 5"),
    )
    scores = (
        rows.segmented("miou", "mIoU"),
        rows.segmented("iou.sky", "sky"),
        rows.segmented("iou.building", "building"),
        rows.segmented("iou.tree", "tree"),
        rows.segmented("iou.car", "car"),
        rows.segmented("pixel_accuracy", "pixels right"),
        Score("edges_kept", "source's edges kept", digits=2),
    )
    return Study(
        title="OP-GAN on CamVid: dusk to day",
        text=(
            "The same small networks with different objectives. mIoU and IoU are of three U-Nets that learnt on day "
            "pictures with photometric jitter; the edges need no segmenter."
        ),
        rows=listed,
        scores=scores,
        base="cyclegan",
        overrides=_DATA,
        details={"IoU by class": "translated.iou.*"},
        losses=rows.OP_GAN_LOSSES,
    )
